import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findBun } from '../support/bun.ts';
import { PLAIN_ENV } from '../support/hosts/namespace.ts';

const root = join(import.meta.dirname, '../..');
const MADE = ['xen-network', 'share/doc/xen-network/copyright', 'share/doc/xen-network/xen-network.cdx.json'];
let folder: string;
let twin: string;

beforeAll(() => {
  // On the file system of node_modules, which is linked and not copied.
  folder = mkdtempSync(join(root, 'dist/twin-'));
  twin = join(folder, 'another', 'rather longer path');
  mkdirSync(twin, { recursive: true });
  for (const name of ['bin', 'lib', 'scripts', 'tools', 'package.json', 'LICENSE', 'packaging', '.engine'])
    cpSync(join(root, name), join(twin, name), { recursive: true });
  const linked = spawnSync('cp', ['-al', join(root, 'node_modules'), join(twin, 'node_modules')]);
  expect(linked.status).toBe(0);
  // What the engine is made of is compiled anew as well.
  rmSync(join(twin, 'node_modules/.cache'), { recursive: true, force: true });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function digest(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

test('a build at another path, at another time, for another user, is the same byte for byte', () => {
  const env = {
    ...PLAIN_ENV,
    SOURCE_DATE_EPOCH: '86400',
    TZ: 'Pacific/Kiritimati',
    LC_ALL: 'C.UTF-8',
    HOME: twin,
    USER: 'somebody',
    TMPDIR: folder,
  };
  const script = 'umask 077; exec "$0" tools/build.ts';
  const built = spawnSync('sh', ['-c', script, findBun()], { cwd: twin, env, encoding: 'utf8' });
  expect({ status: built.status, stderr: built.stderr }).toEqual({ status: 0, stderr: '' });
  expect(built.stdout).toContain('Compiling the engine');
  expect(existsSync(join(twin, 'node_modules/.cache'))).toBe(true);
  for (const name of MADE)
    expect(`${name} ${digest(join(twin, 'dist', name))}`).toBe(`${name} ${digest(join(root, 'dist', name))}`);
});
