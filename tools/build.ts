// Compiles bin/xen-network.ts to the one file dist/xen-network. Run by `npm run build`, with Bun.

import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import manifest from '../package.json' with { type: 'json' };
import { buildProgram } from './engine.ts';
import { proveProgram, root } from './runtime.ts';

const out = join(root, 'dist/xen-network');
const work = join(root, 'dist', `.build-${process.pid}`);

/** Modules for the engine; what is imported lazily stays apart, so that a hook loads nothing that it does not use. */
async function bundle(): Promise<string[]> {
  await build({
    absWorkingDir: root,
    entryPoints: { program: 'bin/xen-network.ts' },
    outdir: work,
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    target: 'es2020',
    // The engine has these, though they are younger.
    supported: {
      'class-field': true,
      'class-private-field': true,
      'class-private-method': true,
      'class-static-field': true,
    },
    inject: ['lib/engine/prelude.ts'],
    alias: { 'bun:ffi': './lib/engine/ffi.ts' },
    external: ['node:*'],
    logLevel: 'warning',
  });
  const files = (await readdir(work)).filter((name) => name.endsWith('.js'));
  return ['program.js', ...files.filter((name) => name !== 'program.js')];
}

await mkdir(work, { recursive: true });
try {
  const made = join(work, 'xen-network');
  await buildProgram(work, await bundle(), made);
  const version = await proveProgram(made, manifest.version);
  await rename(made, out);
  process.stdout.write(`dist/xen-network: ${version}\n`);
} finally {
  await rm(work, { recursive: true, force: true });
}
