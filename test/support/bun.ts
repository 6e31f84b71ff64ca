import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { PLAIN_ENV } from './hosts/namespace.ts';

const ROOT = join(import.meta.dirname, '../..');
let bun: string | undefined;

/** The Bun that tools/bun.sh chooses, asked once. */
export function findBun(): string {
  if (bun !== undefined) return bun;
  const asked = spawnSync('sh', [join(ROOT, 'tools/bun.sh'), '--print', 'process.execPath'], {
    env: PLAIN_ENV,
    encoding: 'utf8',
  });
  if (asked.status !== 0) throw new Error(`There is no Bun: ${asked.stderr}`);
  bun = asked.stdout.trim();
  return bun;
}
