import { afterEach, expect, test } from 'vitest';
import { tryTrial } from '../../support/faults/bridge-trials.ts';
import { mustHaveSteps } from '../../support/faults/step-counts.ts';
import { stepsOf } from '../../support/faults/trials.ts';
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
  const outcomes = await tryTrial(made, { fault, words: [struck, ...variables], variables });
  mustHaveSteps(`network-bridge ${struck} with a bridge that was there`, stepsOf(fault, outcomes));
});

test.each(['fail', 'recover'] as const)('%s at any step of stop beside a second bridge', async (fault) => {
  const made = await plugged();
  made.nic('dummy0', { mac: '00:16:3e:aa:bb:dd', address: '172.31.0.1/24' });
  const second = ['start', 'vifnum=1', 'netdev=dummy0', 'antispoof=yes'];
  const variables = ['netdev=eth0', 'antispoof=yes'];
  expect(made.hook('network-bridge', second).status).toBe(0);
  expect(made.hook('network-bridge', ['start', ...variables]).status).toBe(0);
  const outcomes = await tryTrial(made, { fault, words: ['stop', ...variables], variables });
  mustHaveSteps('network-bridge stop beside a second bridge', stepsOf(fault, outcomes));
});
