import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HookHost } from '../../support/hosts/hook-host.ts';
import { startOpenVswitch } from '../../support/openvswitch.ts';
import { freshSeed, pick, type Random, randomNumbers } from '../../support/random.ts';

const HOOKS = ['vif-route', 'vif-nat', 'vif-openvswitch', 'vif-setup'] as const;
const KEYS = [
  'bridge',
  'ip',
  'mac',
  'vifname',
  'mtu',
  'vlan',
  'gatewaydev',
  'handle',
  'frontend-id',
  'uuid',
  'iface-id',
  'locking',
  'notrack',
  'antispoof',
] as const;
const VARIABLES = [
  'netdev',
  'ip',
  'bridge',
  'dhcp',
  'filter',
  'vifname',
  'type_if',
  'script',
  'iface-id',
  'handle',
  'locking',
  'notrack',
  'antispoof',
] as const;
const SEED = freshSeed('vif-hostile');

/** What somebody who means ill writes, and what somebody who errs does. */
const VALUES = [
  '$(touch /run/owned)',
  '`touch /run/owned`',
  "'; touch /run/owned; '",
  '| touch /run/owned',
  '192.0.2.7 -j DROP',
  '192.0.2.7\naddress add 203.0.113.1/24 dev eth0',
  '192.0.2.7\n-A FORWARD -j DROP',
  '0.0.0.0/0',
  '::/0',
  '2001:db8::%eth0',
  '../../eth0',
  '--help',
  '-1',
  '99999999999999999999',
  'eth0',
  'vif1.0',
  'ovsbr0 -- del-br ovsbr1',
  'ovsbr0.1.2:3',
  'ovsbr0:1',
  '"#\\',
  '\u0001\u007f\ufffd☃',
  'x'.repeat(3000),
  ' ',
  '10.0.0.0/31',
  '255.255.255.255',
  '127.0.0.1',
  '224.0.0.1',
  'yes',
  'strict',
  'disabled',
  'unlocked',
  '198.51.100.9',
] as const;

let host: HookHost;

beforeAll(async () => {
  host = await HookHost.create('vif-route');
  host.host.nic('eth0', { address: '198.51.100.2/24', address6: '2001:db8::2/64' });
  host.host.ip('link add xenbr0 type bridge', 'link set xenbr0 up');
  startOpenVswitch(host.host, 'ovsbr0', 'ovsbr1');
  host.host.ok('rm', '-f', '/etc/dhcp/dhcpd.conf');
});

afterAll(() => host.host.close());

function some(random: Random, names: readonly [string, ...string[]], most: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: random(most + 1) }, () => [pick(random, names), pick(random, VALUES)]),
  );
}

/** What must be as it was, whatever a hook was told. */
function untouched(): unknown {
  const { addresses = [], iptables = [] } = host.host.snapshot();
  return {
    owned: host.host.run(['ls', '/run/owned']).status === 0,
    eth0: addresses.filter((line) => line.startsWith('eth0 ')),
    rules: iptables.filter((line) => line.includes('DROP')),
    bridges: host.host.ok('ovs-vsctl', 'list-br'),
  };
}

describe.each(HOOKS)('%s', (hook) => {
  test('takes whatever it is told for a value, and always ends with a word to xenstore', () => {
    const random = randomNumbers(SEED + hook.length);
    const before = untouched();
    for (let n = 0; n < 8; n++) {
      // The tool that writes them would take a dash for an option of its own.
      const entries = Object.entries(some(random, [...KEYS], 3)).filter(
        ([, value]) => !value.startsWith('-'),
      );
      const values = Object.fromEntries(entries);
      const [args, env] = [some(random, [...VARIABLES], 2), some(random, [...VARIABLES], 2)];
      host.card(1, values);
      const words = Object.entries(args).map(([key, value]) => `${key}=${value}`);
      const call = { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0', ...env };
      const case_ = { seed: SEED, n, values, words, env };
      const online = host.host.hook(hook, ['online', ...words], call);
      const { status } = host.store.told(1);
      const acts = { ...env, ...args }['type_if'] === undefined;
      const expected = online.status === 0 && acts ? 'connected' : acts ? 'error' : status;
      expect({ ...case_, exit: [0, 1].includes(online.status), status }).toEqual({
        ...case_,
        exit: true,
        status: expected,
      });
      const offline = host.host.hook(hook, ['offline', ...words], call);
      if (acts) expect({ ...case_, offline: offline.status }).toEqual({ ...case_, offline: 0 });
      host.unplug(1);
    }
    expect(untouched()).toEqual(before);
  });
});
