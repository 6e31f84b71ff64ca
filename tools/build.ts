// Compiles bin/xen-network.ts to the one file dist/xen-network. Run by `npm run build`, with Bun.

import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import manifest from '../package.json' with { type: 'json' };
import { copyRuntime, proveProgram, root, run } from './runtime.ts';

const out = join(root, 'dist/xen-network');
const work = join(root, 'dist', `.build-${process.pid}`);

// Splitting keeps what is imported lazily, as yargs is, out of what a hook loads: that halves its start.
// The JIT policy keeps code that runs once from being compiled for speed: a twentieth of a hook's time.
// The autoload flags keep a root hook from obeying files of whatever directory it is called in.
const flags = [
  '--compile',
  '--minify',
  '--bytecode',
  '--format=esm',
  '--splitting',
  '--compile-jit-policy=100',
  '--reject-unresolved',
  '--no-compile-autoload-dotenv',
  '--no-compile-autoload-bunfig',
  '--no-compile-autoload-tsconfig',
  '--no-compile-autoload-package-json',
];

await mkdir(work, { recursive: true });
try {
  const runtime = join(work, 'bun');
  const made = join(work, 'xen-network');
  await copyRuntime(process.execPath, runtime);
  await run`${process.execPath} build ${flags} --compile-executable-path=${runtime} bin/xen-network.ts --outfile ${made}`;
  const version = await proveProgram(made, manifest.version);
  await rename(made, out);
  process.stdout.write(`dist/xen-network: ${version}\n`);
} finally {
  await rm(work, { recursive: true, force: true });
}
