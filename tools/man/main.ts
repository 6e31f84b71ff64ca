// Makes the manual pages from man/*.scd, by scdoc(1), in dist/share/man or in the folder named. Run by `npm run man`, with Bun.

import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import manifest from '../../package.json' with { type: 'json' };
import { root, sourceDate } from '../runtime.ts';
import { toolCommands } from './help.ts';
import { filledPage } from './source.ts';

const FORM = /^(.*)\.([1-9])\.scd$/;
const out = process.argv[2] ?? join(root, 'dist/share/man');

const commands = await toolCommands(join(root, 'dist/xen-network'));
const env = { PATH: process.env['PATH'] ?? '', SOURCE_DATE_EPOCH: `${await sourceDate()}` };
await rm(out, { recursive: true, force: true });
const sources = (await readdir(join(root, 'man'))).filter((file) => FORM.test(file)).sort();
for (const file of sources) {
  const [, name = '', section = ''] = FORM.exec(file) ?? [];
  const text = await readFile(join(root, 'man', file), 'utf8');
  const page = filledPage(name, text, { version: manifest.version, commands });
  const made = spawnSync('scdoc', { env, input: page });
  if (made.status !== 0) throw new Error(`scdoc refuses man/${file}: ${made.error?.message ?? made.stderr}`);
  await mkdir(join(out, `man${section}`), { recursive: true });
  await writeFile(join(out, `man${section}`, `${name}.${section}.gz`), gzipSync(made.stdout, { level: 9 }));
}
process.stdout.write(`${out}: ${sources.length} manual pages\n`);
