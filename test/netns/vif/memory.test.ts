import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { xlEnv } from '../../support/hosts/host.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

let vif: VifHost;

beforeEach(async () => {
  vif = await VifHost.create();
});

afterEach(() => vif.host.close());

const HOOK = '/etc/xen/scripts/vif-bridge';
const [STEP_KB, STEPS] = [100, 30];

/** The hook's call with so much address space. */
function call(kB: number, words: readonly string[], more: Readonly<Record<string, string>> = {}): string[] {
  const env = Object.entries({ ...xlEnv(1), ...more }).map(([name, value]) => `${name}=${value}`);
  return ['sh', '-c', `ulimit -v ${kB}; exec "$@"`, 'sh', 'env', '-i', ...env, HOOK, ...words];
}

const run = (kB: number, ...words: string[]) => vif.host.run(call(kB, words));

/** The least address space with which the program can be loaded at all. */
function leastKb(): number {
  let least = 2000;
  while (run(least, '--version').status !== 0) least += STEP_KB;
  return least;
}

test('whatever memory there is, xenstore is told how an online ended', () => {
  const least = leastKb();
  const outcomes = Array.from({ length: STEPS }, (_, i) => {
    vif.card(1);
    const { status, stderr } = run(least + i * STEP_KB, 'online');
    const told = vif.store.told(1);
    expect(told.status, stderr).toBe(status === 0 ? 'connected' : 'error');
    if (status !== 0) expect(told.error, stderr).toBeTruthy();
    return { status, error: told.error };
  });
  expect(outcomes.at(-1)?.status).toBe(0);
  expect(outcomes).toContainEqual({
    status: 1,
    error: expect.stringContaining('There is not enough memory for this program.'),
  });
});

test('where memory ends while the stack grows, no signal ends it', () => {
  const least = leastKb();
  const script = `for kB in $(seq ${least} 20 ${least + 1500}); do (ulimit -v "$kB"; exec "$@" 2>/dev/null); echo $?; done`;
  const env = Object.entries({ ...xlEnv(1), XENSTORED_PATH: '/run/none' }).map((pair) => pair.join('='));
  const statuses = vif.host.ok('sh', '-c', script, 'sh', 'env', '-i', ...env, HOOK, 'online');
  expect([...new Set(statuses.trim().split('\n'))]).toEqual(['1']);
});

test('last words wait for the whole of an answer that comes in pieces', async () => {
  const [HEADER, OK] = [16, Buffer.from('OK\0')];
  const heard: string[] = [];
  let early = false;
  const server = createServer((socket) => {
    let waiting = false;
    socket.on('close', () => {
      early ||= waiting;
    });
    socket.on('data', async (request) => {
      early ||= waiting;
      waiting = true;
      heard.push(request.subarray(HEADER).toString().replace('\0', ' '));
      const header = Buffer.from(request.subarray(0, HEADER));
      header.writeUInt32LE(OK.length, 12);
      socket.write(header);
      // Enough for a second request, or an end, that does not wait for the rest.
      await sleep(200);
      waiting = false;
      socket.write(OK);
    });
  });
  await new Promise<void>((done) => server.listen(vif.host.path('/tmp/odd'), done));
  const path = { XENSTORED_PATH: '/tmp/odd' };
  const { status, stderr } = await vif.host.start(call(leastKb(), ['online'], path));
  await new Promise((done) => server.close(done));
  expect({ status, early }, stderr).toEqual({ status: 1, early: false });
  expect(heard).toEqual([
    expect.stringMatching(/hotplug-error .*not enough memory/),
    expect.stringMatching(/hotplug-status error$/),
  ]);
});
