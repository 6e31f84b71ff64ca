// Compiles bin/xen-network.ts to the one file dist/xen-network. Run by `npm run build`, with Bun.

import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import manifest from '../package.json' with { type: 'json' };
import { compileProgram } from './engine.ts';
import { proveProgram, root } from './runtime.ts';

const out = join(root, 'dist/xen-network');
const made = join(root, 'dist', `.xen-network-${process.pid}`);

await mkdir(join(root, 'dist'), { recursive: true });
try {
  await compileProgram('bin/xen-network.ts', made);
  const version = await proveProgram(made, manifest.version);
  await rename(made, out);
  process.stdout.write(`dist/xen-network: ${version}\n`);
} finally {
  await rm(made, { force: true });
}
