// The folder that the tar archive holds, from which every package's tree is made.

import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import manifest from '../../package.json' with { type: 'json' };
import { root, run } from '../runtime.ts';

/** A machine that packages are for, by the names that others have for it. */
export interface Machine {
  readonly debian: string;
  readonly rpm: string;
  /** Where the build leaves its program, from the project's folder. */
  readonly built: string;
}

/** Those that packages are made for. */
export const MACHINES = [
  { debian: 'amd64', rpm: 'x86_64', built: 'dist' },
  { debian: 'arm64', rpm: 'aarch64', built: 'dist/aarch64-linux-gnu' },
] as const satisfies readonly Machine[];

/** Where shells look for what completes words. */
const COMPLETIONS: readonly (readonly [shell: string, file: string])[] = [
  ['bash', 'share/bash-completion/completions/xen-network'],
  ['zsh', 'share/zsh/vendor-completions/_xen-network'],
  ['fish', 'share/fish/vendor_completions.d/xen-network.fish'],
];

/** Where packages of one machine are made, and what of it they say. */
export interface Site {
  readonly machine: Machine;
  /** A folder for this alone. */
  readonly work: string;
  /** What the tar archive holds. */
  readonly source: string;
  /** Where the finished package goes. */
  readonly to: string;
  /** Seconds since 1970 that files and packages say they are from. */
  readonly date: number;
}

/** The version of all packages. */
export const VERSION = manifest.version;
/** Where the builds leave what they make. */
export const out = join(root, 'dist');

/**
 * Puts together what the tar archive holds.
 * @param site where
 */
export async function makeSource({ machine, source }: Site): Promise<void> {
  await rm(source, { recursive: true, force: true });
  await mkdir(source, { recursive: true });
  const built = join(root, machine.built);
  await cp(join(built, 'xen-network'), join(source, 'xen-network'));
  await cp(join(out, 'share'), join(source, 'share'), { recursive: true });
  for (const [shell, file] of COMPLETIONS) {
    await mkdir(dirname(join(source, file)), { recursive: true });
    await writeFile(join(source, file), (await run`${join(out, 'xen-network')} completion ${shell}`).stdout);
  }
  // The notices are those of its own C library.
  await cp(join(built, 'share'), join(source, 'share'), { recursive: true });
  for (const name of [
    'install.sh',
    'init',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
    'packaging/stage.sh',
    'packaging/examples',
  ])
    await cp(join(root, name), join(source, name.replace('packaging/', '')), { recursive: true });
}

/**
 * Makes the tree of a package.
 * @param site whose
 * @param tree a folder that is not there yet
 */
export async function makeTree({ source, date }: Site, tree: string): Promise<void> {
  await rm(tree, { recursive: true, force: true });
  await run`sh ${join(root, 'packaging/stage.sh')} ${source} ${tree} systemd ${join(out, 'xen-network')}`;
  await fixTimes(tree, date);
}

/**
 * Gives all files of a tree one time and the modes that files of packages have.
 * @param tree the tree
 * @param date seconds since 1970
 */
export async function fixTimes(tree: string, date: number): Promise<void> {
  await run`chmod -R u=rwX,go=rX ${tree}`;
  await run`find ${tree} -exec touch -h -d @${date} {} +`;
}

/**
 * The tar archive, for systems whose packages are not made here.
 * @param site whose
 * @returns its path
 */
export async function makeArchive({ machine, source, work, date, to }: Site): Promise<string> {
  const made = join(to, `xen-network-${VERSION}-${machine.rpm}.tar.gz`);
  await fixTimes(source, date);
  const plain = [
    '--sort=name',
    '--format=gnu',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '-C',
    join(source, '..'),
  ];
  await run`tar ${plain} -cf ${join(work, 'source.tar')} ${`xen-network-${VERSION}`}`;
  await writeFile(made, gzipSync(await readFile(join(work, 'source.tar')), { level: 9 }));
  return made;
}
