import { afterEach, expect, test } from 'vitest';
import type { Trial } from '../../support/faults/bridge-driver.ts';
import { runTrial } from '../../support/faults/trials.ts';
import { Host } from '../../support/hosts/host.ts';
import { plugCard } from '../../support/models/bridge-state.ts';

let host: Host | undefined;

afterEach(() => host?.close());

async function plugged(): Promise<Host> {
  const made = await Host.create();
  host = made;
  plugCard(made);
  return made;
}

async function tryEach(made: Host, trial: Trial): Promise<number> {
  const outcomes = await runTrial(made, trial);
  for (const { at, status, said, wrong } of outcomes) {
    expect({ at, status, said, wrong }).toEqual({
      at,
      status: trial.fault === 'fail' ? 1 : 0,
      said,
      wrong: [],
    });
  }
  return outcomes.length;
}

test.each(['classic', 'rename', 'plain'])(
  'a recovery of stop topology=%s that is itself killed is finished by the next one',
  async (topology) => {
    const made = await plugged();
    const variables = [`topology=${topology}`, 'netdev=eth0'];
    expect(made.hook('network-bridge', ['start', ...variables]).status).toBe(0);
    const trial: Trial = { fault: 'twice', every: 5, words: ['stop', ...variables], variables };
    expect(await tryEach(made, trial)).toBeGreaterThan(5);
  },
);

test.each([
  ['fail', 'start'],
  ['recover', 'start'],
  ['fail', 'stop'],
  ['recover', 'stop'],
] as const)('%s at any step of %s with a bridge that was there before', async (fault, struck) => {
  const made = await plugged();
  made.ip(
    'link add xenbr0 address 02:00:00:00:00:77 type bridge',
    'tuntap add dev tap5 mode tap',
    'link set tap5 master xenbr0',
    'link set tap5 up',
  );
  const variables = ['topology=plain', 'netdev=eth0'];
  if (struck === 'stop') expect(made.hook('network-bridge', ['start', ...variables]).status).toBe(0);
  expect(await tryEach(made, { fault, words: [struck, ...variables], variables })).toBeGreaterThan(20);
});

test.each(['fail', 'recover'] as const)('%s at any step of stop beside a second bridge', async (fault) => {
  const made = await plugged();
  made.nic('dummy0', { mac: '00:16:3e:aa:bb:dd', address: '172.31.0.1/24' });
  const second = ['start', 'vifnum=1', 'netdev=dummy0', 'antispoof=yes'];
  const variables = ['netdev=eth0', 'antispoof=yes'];
  expect(made.hook('network-bridge', second).status).toBe(0);
  expect(made.hook('network-bridge', ['start', ...variables]).status).toBe(0);
  expect(await tryEach(made, { fault, words: ['stop', ...variables], variables })).toBeGreaterThan(20);
});
