// Compiles bin/compiled.ts to the one file dist/xen-network, and writes the notices of what is linked into it. Run by
// `npm run build`, with Bun. With a compiler for another machine (aarch64-linux-gnu-gcc) the program for that is made, in
// dist/MACHINE.
// Usage: tools/build.ts [COMPILER]

import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import manifest from '../package.json' with { type: 'json' };
import { compileProgram } from './engine.ts';
import { bomText, noticesText, type Part } from './notices.ts';
import { BuildError, proveProgram, root, run } from './runtime.ts';

const target = process.argv[2];
const folder = join(root, 'dist', target === undefined ? '' : await machineOf(target));
const made = join(folder, `.xen-network-${process.pid}`);

await mkdir(folder, { recursive: true });
try {
  const parts = await compileProgram('bin/compiled.ts', made, { snapshot: true, target });
  const said =
    target === undefined ? await proveProgram(made, manifest.version) : `xen-network ${manifest.version}`;
  await writeNotices(join(folder, 'share/doc/xen-network'), parts);
  await rename(made, join(folder, 'xen-network'));
  process.stdout.write(`${relative(root, folder)}/xen-network: ${said}\n`);
} catch (failed) {
  if (!(failed instanceof BuildError)) throw failed;
  process.stderr.write(`build: ${failed.message}\n`);
  process.exitCode = 1;
} finally {
  await rm(made, { force: true });
}

async function machineOf(compiler: string): Promise<string> {
  return (await run`${compiler} -dumpmachine`).stdout.trim();
}

async function writeNotices(to: string, parts: readonly Part[]): Promise<void> {
  await mkdir(to, { recursive: true });
  const own = await readFile(join(root, 'LICENSE'), 'utf8');
  await writeFile(join(to, 'copyright'), noticesText(own, parts));
  await writeFile(join(to, 'xen-network.cdx.json'), bomText(parts));
  const text = join(to, 'LGPL-2.1');
  if (parts.some(({ licence }) => licence.startsWith('LGPL')))
    await copyFile(join(root, 'packaging/licences/LGPL-2.1'), text);
  else await rm(text, { force: true });
}
