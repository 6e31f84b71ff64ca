// What is linked into the program besides our own: by whom it is and under which licence, for people and for machines.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import manifest from '../package.json' with { type: 'json' };
import type { Library } from './compiler.ts';
import { QUICKJS, quickjs } from './engine-source.ts';
import { root, run } from './runtime.ts';

/** A part of the program that others made. */
export interface Part {
  readonly name: string;
  readonly version: string;
  /** By its SPDX name. */
  readonly licence: string;
  /** The notice that has to go with it. */
  readonly notice: string;
  /** Where it comes from. */
  readonly from: string;
  /** How package managers call it; absent for what none of them has by that name. */
  readonly purl?: string;
}

/**
 * Everything that is linked in, ours left out.
 * @param inputs the paths of the modules that are part of the program, from the project's folder
 * @param cc the compiler, which knows its own C library
 * @param libc the C library
 * @throws Error naming a package without a licence
 */
export async function linkedParts(inputs: readonly string[], cc: string, libc: Library): Promise<Part[]> {
  const folders = inputs.flatMap((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []);
  const packages = [...new Set(folders)].sort().map(npmPart);
  return [
    await engine(),
    await (libc.folder === undefined ? cLibrary(cc) : musl(libc.folder)),
    ...(await Promise.all(packages)),
  ];
}

async function npmPart(folder: string): Promise<Part> {
  const path = join(root, folder);
  const { name, version, license } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8'));
  const file = (await readdir(path)).filter((entry) => /^licen[cs]e/i.test(entry)).sort()[0];
  if (file === undefined) throw new Error(`${folder} has no licence, so nothing of it can be handed on.`);
  const notice = await readFile(join(path, file), 'utf8');
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  return { name, version, licence: license, notice, from: `https://www.npmjs.com/package/${name}`, purl };
}

async function engine(): Promise<Part> {
  return {
    name: 'QuickJS',
    version: QUICKJS.version,
    licence: 'MIT',
    notice: await readFile(join(quickjs, 'LICENSE'), 'utf8'),
    from: 'https://bellard.org/quickjs/',
  };
}

const C_LIBRARY = `
#include <features.h>
#ifdef __GLIBC__
glibc __GLIBC__ __GLIBC_MINOR__
#endif
`;
const GLIBC_NOTICE = `Copyright (C) 1991-2022 Free Software Foundation, Inc. and contributors

The GNU C Library is free software; you can redistribute it and/or modify it under the terms of the GNU Lesser General
Public License as published by the Free Software Foundation; either version 2.1 of the License, or (at your option) any
later version. It is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even the implied
warranty of MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.

The whole text is in /usr/share/common-licenses/LGPL-2.1 on Debian, else in the file LGPL-2.1 beside this one. The notices
of some of its parts (of the University of California, Sun Microsystems, Carnegie Mellon, Intel and others) are in the file
LICENSES of its source, https://sourceware.org/git/?p=glibc.git, and in /usr/share/doc/libc6/copyright on Debian.

To link this program with another version of the library, install that, and build the program anew from its source, which
is under the MIT licence: "npm ci && npm run build" links it with the static C library that the C compiler finds. The parts
of GCC's own library that the compiler adds are under the GNU General Public License, version 3, with the GCC Runtime
Library Exception, version 3.1, which asks for no notice.
`;

async function musl(folder: string): Promise<Part> {
  const said = (await run`ar p ${join(folder, 'libc.a')} version.lo`).stdout;
  const [version] = /\d+\.\d+\.\d+/.exec(said) ?? [];
  if (version === undefined) throw new Error(`${folder}/libc.a does not say which version of musl it is.`);
  return {
    name: 'musl',
    version,
    licence: 'MIT',
    notice: await readFile('/usr/share/doc/musl-dev/copyright', 'utf8'),
    from: 'https://musl.libc.org/',
  };
}

async function cLibrary(cc: string): Promise<Part> {
  const said = (await run`printf %s ${C_LIBRARY} | ${cc} -E -P -`).stdout;
  const [, major, minor] = /glibc (\d+) (\d+)/.exec(said) ?? [];
  if (major === undefined)
    return {
      name: 'The C library of the machine that built this',
      version: '',
      licence: 'NOASSERTION',
      notice: 'Its notice comes with the package of that machine that has the static C library.\n',
      from: '',
    };
  return {
    name: 'GNU C Library',
    version: `${major}.${minor}`,
    licence: 'LGPL-2.1-or-later',
    notice: GLIBC_NOTICE,
    from: 'https://www.gnu.org/software/libc/',
  };
}

/**
 * The notices for people, /usr/share/doc/xen-network/copyright.
 * @param own our own licence
 * @param parts what else is linked in
 */
export function noticesText(own: string, parts: readonly Part[]): string {
  const ours = `xen-network ${manifest.version}, under the MIT licence\n\n${own.trim()}\n`;
  const others = parts.map(
    ({ name, version, licence, from, notice }) =>
      `${`${name} ${version}`.trim()}, under ${licence}${from === '' ? '' : `, from ${from}`}\n\n${notice.trim()}\n`,
  );
  const head = 'The program is one file, in which the following is linked together.\n';
  return [head, ours, ...others].join(`\n${'-'.repeat(72)}\n\n`);
}

/**
 * The list of what is linked in for machines, as CycloneDX 1.5 has it. Without a time and a number of its own: the same
 * program has the same list.
 * @param parts what is linked in
 */
export function bomText(parts: readonly Part[]): string {
  const components = parts.map(({ name, version, licence, from, purl }) => ({
    type: 'library',
    'bom-ref': purl ?? name,
    name,
    version,
    ...(licence === 'NOASSERTION' ? {} : { licenses: [{ license: { id: licence } }] }),
    ...(purl === undefined ? {} : { purl }),
    ...(from === '' ? {} : { externalReferences: [{ type: 'website', url: from }] }),
  }));
  const own = 'xen-network';
  const bom = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      component: {
        type: 'application',
        'bom-ref': own,
        name: own,
        version: manifest.version,
        licenses: [{ license: { id: 'MIT' } }],
      },
    },
    components,
    dependencies: [{ ref: own, dependsOn: components.map((component) => component['bom-ref']) }],
  };
  return `${JSON.stringify(bom, null, 2)}\n`;
}
