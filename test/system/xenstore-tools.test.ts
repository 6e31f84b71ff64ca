import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serveXenstore } from '../../lib/sandbox/xenstored.ts';
import { nodeNative } from '../../lib/system/node/native-node.ts';
import { PLAIN_ENV } from '../support/hosts/namespace.ts';
import {
  isServed,
  type RunningXenstored,
  startRealXenstored,
  startSandboxXenstored,
  whyNoRealXenstored,
} from '../support/xenstore/xenstored.ts';

const noTools = spawnSync('xenstore-ls', ['--help']).error;
const missing = noTools
  ? 'xenstore-ls is missing (Debian: apt-get install xenstore-utils)'
  : whyNoRealXenstored();
const many = Array.from({ length: 300 }, (_, index) => [
  `/many/an-entry-with-a-long-name-${index}`,
  `${index}`,
]);

const calls: readonly (readonly string[])[] = [
  ['xenstore-ls'],
  ['xenstore-ls', '-f', '/'],
  ['xenstore-write', '/a/b', '1', '/a/c', '2', 'backend/vif/1/0/mac', '00:16:3e:00:00:01'],
  ['xenstore-write', '-s', '/a/s', 'x'],
  ['xenstore-read', '/a/b', '/a/c'],
  ['xenstore-read', '-p', '/a/b'],
  ['xenstore-read', '-R', '/a/b'],
  ['xenstore-read', '/nothing'],
  ['xenstore-read', 'backend/vif/1/0/mac'],
  ['xenstore-list', '/'],
  ['xenstore-list', '-p', '/a'],
  ['xenstore-list', '/nothing'],
  ['xenstore-exists', '/a/b'],
  ['xenstore-exists', '/nothing'],
  ['xenstore-chmod', '/a', 'n0', 'r5'],
  ['xenstore-chmod', '-r', '/a', 'n0', 'b7'],
  ['xenstore-chmod', '/nothing', 'n0'],
  ['xenstore-ls', '-p', '/a'],
  ['xenstore-ls', '-f', '-p', '/'],
  ['xenstore-write', '/a/odd', 'tab\tnew\nline "quote" ü \\'],
  ['xenstore-read', '/a/odd'],
  ['xenstore-ls', '/a'],
  ['xenstore-rm', '/a/b'],
  ['xenstore-rm', '-t', '/a/c'],
  ['xenstore-ls', '-f', '/a'],
  ['xenstore-rm', '/nothing'],
  ['xenstore-rm', '/nothing/below'],
  ['xenstore-rm', '/'],
  ['xenstore-write', '/a b', 'x'],
  ['xenstore-write', `/${'a'.repeat(3000)}`, 'x'],
  ['xenstore-write', '/big', 'x'.repeat(4091)],
  ['xenstore-write', '/big', 'x'.repeat(4092)],
  ['xenstore-write', ...many.flat()],
  ['xenstore-list', '/many'],
  ['xenstore-ls', '-f', '/many'],
  ['xenstore-watch', '-n', '1', '/a'],
];

/** Runs a tool; what it printed and how it ended. */
async function run(socketPath: string, [file = '', ...args]: readonly string[]): Promise<unknown> {
  const child = spawn(file, args, { env: { ...PLAIN_ENV, XENSTORED_PATH: socketPath }, timeout: 300_000 });
  child.stdin.end();
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const [status, signal] = await once(child, 'close');
  return { call: [file, ...args], said: said.split('\n'), status, signal };
}

describe.skipIf(missing !== undefined)(`the tools of Xen (${missing ?? 'they run'})`, () => {
  let dir: string;
  let real: RunningXenstored;
  let byLibc: RunningXenstored;
  let sockets: string[];

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'xen-network-tools-'));
    real = await startRealXenstored(join(dir, 'real'));
    byLibc = await startSandboxXenstored(join(dir, 'libc'));
    const inNode = join(dir, 'node');
    // It goes on until this test's process ends.
    void serveXenstore(nodeNative, inNode);
    await isServed(inNode);
    sockets = [real.socketPath, inNode, byLibc.socketPath];
  });

  afterAll(async () => {
    await Promise.all([real.stop(), byLibc.stop()]);
    rmSync(dir, { recursive: true });
  });

  test("print for the sandbox's server, line for line, what they print for Xen's", async () => {
    for (const call of calls) {
      const [first, ...others] = await Promise.all(sockets.map((path) => run(path, call)));
      expect(others).toEqual([first, first]);
    }
  });

  test('watch both alike', async () => {
    const seen = sockets.map(async (path) => {
      const watch = spawn('xenstore-watch', ['-n', '4', '/w'], {
        env: { ...PLAIN_ENV, XENSTORED_PATH: path },
        timeout: 300_000,
      });
      const ended = once(watch, 'close');
      let said = '';
      watch.stdout.on('data', (text) => (said += text));
      await once(watch.stdout, 'data');
      for (const call of [
        ['write', '/w/a', '1'],
        ['write', '/w/b/c', '1'],
        ['write', '/ww', '1'],
        ['rm', '/w/b'],
      ]) {
        const [verb, ...args] = call;
        await run(path, [`xenstore-${verb}`, ...args]);
      }
      await ended;
      return said;
    });
    expect(await Promise.all(seen)).toEqual(sockets.map(() => '/w\n/w/a\n/w/b/c\n/w/b\n'));
  });
});
