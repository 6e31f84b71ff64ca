import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runTrial } from '../../support/faults/trials.ts';
import { NetHost } from '../../support/hosts/net-host.ts';

const LIST = '/etc/xen/network-multi-bridge.conf';
const TWO = `# the outside, and a network of its own
network-bridge vifnum=0

network-bridge start vifnum=1 netdev=dummy0   # no wire
network-virtual bridge=vmnet8 bridgeip="10.1.1.1/24" masquerade=yes
`;
const WRAPPER = `#!/bin/sh
dir=$(dirname "$0")
"$dir/network-bridge" "$@" vifnum=0
"$dir/network-bridge" "$@" vifnum=1 netdev=dummy0
`;

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
  net.host.nic('dummy0');
});

afterEach(() => net.host.close());

function ports(): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const bridge of net.host.ok('ip', '-br', 'link', 'show', 'type', 'bridge').matchAll(/^\S+/gm))
    found[bridge[0]] = net.host.ok('ls', `/sys/class/net/${bridge[0]}/brif`).split('\n').filter(Boolean);
  return found;
}

const CLASSIC = { xenbr0: ['peth0', 'vif0.0'], xenbr1: ['pdummy0', 'vif0.1'] };

describe('a list', () => {
  test('is started as a whole, a second time without effect, and stopped in reverse', async () => {
    const before = await net.host.settled();
    net.host.write(LIST, TWO);
    const started = await net.after('network-multi-bridge', 'start');
    expect(ports()).toEqual({ ...CLASSIC, vmnet8: [] });
    expect(await net.after('network-multi-bridge', 'start')).toEqual(started);
    expect(JSON.parse(net.host.hook('network-multi-bridge', ['status', '--json']).stdout)).toHaveProperty(
      'bridges',
    );
    // What was started is stopped, whatever the list says by now.
    net.host.write(LIST, 'network-route\n');
    expect(await net.after('network-multi-bridge', 'stop')).toEqual(before);
    net.host.write(LIST, TWO);
    expect(await net.after('network-multi-bridge', 'stop')).toEqual(before);
  });

  test('leaves alone what was started before it', async () => {
    const before = await net.host.settled();
    const alone = await net.after('network-bridge', 'start', 'vifnum=1', 'netdev=dummy0');
    net.host.write(LIST, TWO);
    net.ok('network-multi-bridge', 'start');
    expect(await net.after('network-multi-bridge', 'stop')).toEqual(alone);
    expect(await net.after('network-bridge', 'stop', 'netdev=dummy0')).toEqual(before);
  });

  test('whose last call fails leaves the host as it was', async () => {
    const before = await net.host.settled();
    net.host.write(LIST, `${TWO}network-bridge netdev=nonesuch\n`);
    const { status, stderr } = net.host.hook('network-multi-bridge', ['start']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/There is no device nonesuch.* Everything was put back as it was/);
    expect(await net.host.snapshotLike(before)).toEqual(before);
  });

  test.each([
    ['vif-bridge online\n', /Line 1 of .* begins with "vif-bridge", which is none of network-bridge, /],
    ['# all\nnetwork-bridge $(reboot)\n', /Line 2 of .* holds "\$\(reboot\)"/],
    ['network-bridge netdev="eth 0"\n', /Line 1 of .* holds "0\\""/],
  ])('%j is refused', async (text, sentence) => {
    const before = net.host.snapshot();
    net.host.write(LIST, text);
    const { status, stderr } = net.host.hook('network-multi-bridge', ['start']);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(sentence) });
    expect(net.host.snapshot()).toEqual(before);
  });

  test('that is missing is told of', () => {
    const { status, stderr } = net.host.hook('network-multi-bridge', ['start', 'list=/etc/xen/none']);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/There is no list \/etc\/xen\/none/),
    });
  });
});

test('the calls can be named as arguments, each word without a blank', async () => {
  const before = await net.host.settled();
  net.ok(
    'network-multi-bridge',
    'start',
    'network-bridge',
    'vifnum=0',
    'network-bridge',
    'vifnum=1',
    'netdev=dummy0',
  );
  expect(ports()).toEqual(CLASSIC);
  expect(await net.after('network-multi-bridge', 'stop')).toEqual(before);
});

test("an administrator's wrapper of the book's form works as well", async () => {
  const before = await net.host.settled();
  net.host.write('/etc/xen/scripts/my-wrapper', WRAPPER, '755');
  net.ok('my-wrapper', 'start');
  expect(ports()).toEqual(CLASSIC);
  expect(await net.after('my-wrapper', 'stop')).toEqual(before);
});

test('a list that waited for its confirmation waits no more once it is stopped', async () => {
  const before = await net.host.settled();
  net.ok(
    'network-multi-bridge',
    'start',
    'confirm=3600',
    'network-virtual',
    'bridge=vmnet8',
    'bridgeip=10.1.1.1/24',
  );
  expect(net.host.ok('ls', '/run/xen-network/pending')).not.toBe('');
  net.ok('network-multi-bridge', 'start', 'network-virtual', 'bridge=vmnet9', 'bridgeip=10.1.2.1/24');
  expect(await net.after('network-multi-bridge', 'stop')).toEqual(before);
  expect(net.host.ok('ls', '/run/xen-network/pending')).toBe('');
});

const CALLS = [
  'network-bridge',
  'vifnum=1',
  'netdev=dummy0',
  'network-virtual',
  'bridge=vmnet8',
  'bridgeip=10.1.1.1/24',
];

test.each([
  ['start', 'fail'],
  ['start', 'recover'],
  ['stop', 'recover'],
] as const)('%s: at any step of any part, %s leaves the host as it was', async (command, fault) => {
  if (command === 'stop') net.ok('network-multi-bridge', 'start', ...CALLS);
  const hook = 'network-multi-bridge';
  const outcomes = await runTrial(net.host, { hook, fault, words: [command, ...CALLS], variables: CALLS });
  const told = outcomes.map(({ wrong, ...rest }) => ({ ...rest, wrong: wrong.slice(0, 5) }));
  const status = fault === 'fail' ? 1 : 0;
  expect(told).toEqual(told.map(({ at }) => ({ at, status, said: [expect.any(String)], wrong: [] })));
  expect(outcomes.length).toBeGreaterThan(20);
});
