import { afterEach, describe, expect, test } from 'vitest';
import { Host } from '../../support/hosts/host.ts';
import { FINE, type Ran } from '../../support/hosts/namespace.ts';
import {
  CARD_MAC,
  createPluggedHost,
  differences,
  look,
  lookFor,
  plugRichCard,
  settled,
} from '../../support/models/bridge-state.ts';
import { randomNumbers } from '../../support/random.ts';

const PORT_MAC = 'fe:ff:ff:ff:ff:ff';

let host: Host;

afterEach(() => host.close());

async function plugged(name?: string): Promise<Host> {
  host = await createPluggedHost(name);
  return host;
}

function bridge(...words: string[]): Ran {
  return host.hook('network-bridge', words);
}

/** name, ports of each bridge, as `brctl show` prints them. */
function brctl(): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  let ports: string[] = [];
  for (const line of host.ok('brctl', 'show').split('\n').slice(1).filter(Boolean)) {
    const [, name = '', port = ''] = /^(\S*)\s.*?(\S*)$/.exec(line) ?? [];
    if (name !== '') {
      ports = [];
      found[name] = ports;
    }
    if (port !== '' && port !== 'no' && port !== 'yes') ports.push(port);
  }
  return found;
}

/** MAC address and flags of a device. */
function device(name: string): string {
  const line = host.ok('ip', '-o', 'link', 'show', 'dev', name);
  const flags = (/<(.*?)>/.exec(line)?.[1] ?? '').split(',').filter((flag) => ['UP', 'NOARP'].includes(flag));
  return [/link\/ether (\S+)/.exec(line)?.[1], ...flags].join(' ');
}

function addressesOf(name: string): string[] {
  return [
    ...host.ok('ip', '-o', 'address', 'show', 'dev', name, 'scope', 'global').matchAll(/inet6? (\S+)/g),
  ].map(([, address = '']) => address);
}

const ADDRESSES = ['192.0.2.10/24', '203.0.113.9/24', '192.0.2.11/24', '2001:db8:5::1/64', '2001:db8::11/64'];

const PORTS: Record<string, Record<string, string[]>> = {
  classic: { xenbr0: ['peth0', 'vif0.0'] },
  rename: { eth0: ['peth0'] },
  plain: { xenbr0: ['eth0'] },
};

describe.each([
  ['classic', 'eth0'],
  ['rename', 'eth0'],
  ['plain', 'xenbr0'],
])('topology=%s', (topology, top) => {
  const names = [`topology=${topology}`, 'netdev=eth0'];

  test('start makes all devices of the topology, and everything stands on the new one', async () => {
    const gateway = await plugged().then((made) => made.netns('gw-eth0'));
    expect(bridge('start', ...names)).toEqual(FINE);
    expect(brctl()).toEqual(PORTS[topology]);
    expect(device(top)).toBe(`${CARD_MAC} UP`);
    if (topology === 'classic') {
      expect([device('peth0'), device('vif0.0'), device('xenbr0')]).toEqual([
        `${PORT_MAC} UP NOARP`.replace(/(UP) (NOARP)/, '$2 $1'),
        `${PORT_MAC} UP`,
        `${PORT_MAC} UP`,
      ]);
    }
    expect(addressesOf(top)).toEqual([...ADDRESSES, '2001:db8::10/64']);
    expect(host.ok('ip', 'route', 'show', 'default')).toBe(`default via 192.0.2.1 dev ${top} \n`);
    expect(host.ok('ip', 'route', 'show', 'table', '100')).toBe(
      `10.9.0.0/16 via 192.0.2.254 dev ${top} metric 5 \n`,
    );
    expect(host.ok('ip', 'rule')).toContain(`from all iif ${top} lookup 100`);
    expect(host.ok('ip', '-6', 'rule')).toContain(`from all iif ${top} lookup 100`);
    for (const address of ['192.0.2.1', '2001:db8::1'])
      expect(host.run(['ping', '-c1', '-W2', address]).status).toBe(0);
    for (const address of ['192.0.2.10', '2001:db8::10'])
      expect(gateway.run(['ping', '-c1', '-W2', address]).status).toBe(0);
  });

  test('start moves all that a card can have, and stop moves it back, exactly', async () => {
    host = await Host.create();
    plugRichCard(host);
    const before = await settled(host);
    expect(bridge('start', ...names).status).toBe(0);
    const moved = await settled(host);
    expect(moved['fixed4']?.join()).toContain(`192.0.2.200 dev ${top} lladdr 02:02:02:02:02:02 PERMANENT`);
    expect(bridge('stop', ...names)).toEqual(FINE);
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });

  test('start twice, stop twice and stop first change nothing and say nothing', async () => {
    await plugged();
    const before = await settled(host);
    expect(bridge('stop', ...names)).toEqual(FINE);
    expect(differences(before, look(host))).toEqual([]);
    expect(bridge('start', ...names)).toEqual(FINE);
    const started = await settled(host);
    expect(bridge('start', ...names)).toEqual(FINE);
    expect(differences(started, await lookFor(host, started))).toEqual([]);
    expect(bridge('stop', ...names)).toEqual(FINE);
    expect(bridge('stop', ...names)).toEqual(FINE);
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });

  test('the card is as it was when it was down, too', async () => {
    host = await Host.create();
    host.ip(
      `link add eth0 address ${CARD_MAC} type veth peer name far0`,
      'address add 192.0.2.10/24 dev eth0',
    );
    const before = await settled(host);
    expect(bridge('start', ...names)).toEqual(FINE);
    expect(bridge('stop', ...names)).toEqual(FINE);
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });

  test('a dry run changes nothing, and its output does what start does', async () => {
    await plugged();
    const before = await settled(host);
    const dry = bridge('start', '--dry-run', ...names);
    expect(dry).toMatchObject({ status: 0, stderr: '' });
    expect(differences(before, look(host))).toEqual([]);
    expect(bridge('start', ...names)).toEqual(FINE);
    const started = await settled(host);
    const stopping = host.hook('network-bridge', ['stop', ...names], { XEN_NETWORK_DRY_RUN: '1' });
    expect(differences(started, await lookFor(host, started))).toEqual([]);
    expect(host.run(['sh', '-e', '-c', stopping.stdout])).toMatchObject({ status: 0, stderr: '' });
    expect(differences(before, await lookFor(host, before))).toEqual([]);
    expect(host.run(['sh', '-e', '-c', dry.stdout])).toMatchObject({ status: 0, stderr: '' });
    const byHand = { ...(await lookFor(host, started)), files: started['files'] ?? [] };
    expect(differences(started, byHand)).toEqual([]);
  });
});

describe('which card', () => {
  test('the one of the default route, whatever its name', async () => {
    await plugged('enp3s0');
    expect(bridge('start')).toEqual(FINE);
    expect(brctl()).toEqual({ xenbr0: ['penp3s0', 'vif0.0'] });
    expect(bridge('stop')).toEqual(FINE);
    expect(brctl()).toEqual({});
  });

  test('a name of 15 characters has no room for a "p", so the card is a port as it is', async () => {
    await plugged('enp0s20f0u1u2i3');
    const before = await settled(host);
    expect(bridge('start')).toEqual(FINE);
    expect(brctl()).toEqual({ xenbr0: ['enp0s20f0u1u2i3'] });
    expect(bridge('stop')).toEqual(FINE);
    expect(differences(before, await lookFor(host, before))).toEqual([]);
    expect(bridge('start', 'topology=classic')).toMatchObject({ status: 1 });
  });

  test('eth1 gives xenbr1, vifnum and bridge= give what they say, an altname will do', async () => {
    await plugged('eth1');
    expect(bridge('start')).toEqual(FINE);
    expect(brctl()).toEqual({ xenbr1: ['peth1', 'vif0.1'] });
    expect(bridge('stop')).toEqual(FINE);
    host.ok('ip', 'link', 'property', 'add', 'dev', 'eth1', 'altname', 'enp7s0');
    expect(bridge('start', 'netdev=enp7s0', 'vifnum=7')).toEqual(FINE);
    expect(brctl()).toEqual({ xenbr7: ['peth1', 'vif0.7'] });
    expect(bridge('stop')).toEqual(FINE);
    expect(bridge('start', 'bridge=virt-br')).toEqual(FINE);
    expect(brctl()).toEqual({ 'virt-br': ['peth1', 'vif0.1'] });
  });

  test('bridge=null asks for nothing', async () => {
    await plugged();
    const before = await settled(host);
    for (const word of ['start', 'stop']) expect(bridge(word, 'bridge=null')).toEqual(FINE);
    expect(differences(before, look(host))).toEqual([]);
  });

  test('the only bridge is stopped even when the default route is gone', async () => {
    await plugged('enp3s0');
    expect(bridge('start')).toEqual(FINE);
    host.ok('ip', 'route', 'del', 'default');
    expect(bridge('stop')).toEqual(FINE);
    expect(brctl()).toEqual({});
  });
});

describe('a bridge that was there', () => {
  test('is used, and left as it was', async () => {
    await plugged();
    host.ip(
      'link add xenbr0 address 02:00:00:00:00:77 mtu 1300 type bridge',
      'link set xenbr0 type bridge stp_state 1',
    );
    const before = await settled(host);
    for (const topology of ['classic', 'plain']) {
      expect(bridge('start', `topology=${topology}`)).toEqual(FINE);
      expect(Object.keys(brctl())).toEqual(['xenbr0']);
      expect(bridge('stop')).toEqual(FINE);
      expect(differences(before, await lookFor(host, before))).toEqual([]);
    }
  });
});

describe('stop', () => {
  test('with guests on the bridge warns and works', async () => {
    await plugged();
    expect(bridge('start')).toEqual(FINE);
    host.vif(3);
    host.ip('link set vif3.0 master xenbr0', 'link set vif3.0 up');
    const ran = bridge('stop');
    expect(ran.status).toBe(0);
    expect(ran.stderr).toBe(
      'network-bridge: xenbr0 goes away with vif3.0 still on it: these have no network until it is started again or they join another bridge.\n',
    );
    expect(addressesOf('eth0')).toContain('192.0.2.10/24');
  });

  test('moves along what the administrator changed meanwhile', async () => {
    await plugged();
    expect(bridge('start')).toEqual(FINE);
    host.ip('address del 192.0.2.11/24 dev eth0', 'address add 192.0.2.44/24 dev eth0');
    host.ip('route add 10.44.0.0/16 via 192.0.2.4', 'link set xenbr0 type bridge ageing_time 1000');
    expect(bridge('stop')).toEqual(FINE);
    expect(addressesOf('eth0')).toContain('192.0.2.44/24');
    expect(addressesOf('eth0')).not.toContain('192.0.2.11/24');
    expect(host.ok('ip', 'route', 'show', '10.44.0.0/16')).toContain('dev eth0');
  });

  test('finds a bridge that no record speaks of', async () => {
    await plugged();
    const before = await settled(host);
    for (const topology of ['classic', 'rename']) {
      expect(bridge('start', `topology=${topology}`)).toEqual(FINE);
      host.ok('rm', '-r', '/run/xen-network/bridge');
      expect(bridge('start')).toEqual(FINE);
      expect(bridge('stop')).toEqual(FINE);
      expect(differences(before, await lookFor(host, before))).toEqual([]);
    }
  });
});

describe('two bridges by two calls', () => {
  test.each([
    [0, 1],
    [1, 0],
  ])('stopped in the order %i, %i', async (...order) => {
    await plugged();
    host.nic('dummy0', { mac: '00:16:3e:aa:bb:dd', address: '172.31.0.1/24' });
    const calls = [['vifnum=0'], ['vifnum=1', 'netdev=dummy0']];
    const before = await settled(host);
    for (const words of calls) expect(bridge('start', ...words)).toEqual(FINE);
    expect(brctl()).toEqual({ xenbr0: ['peth0', 'vif0.0'], xenbr1: ['pdummy0', 'vif0.1'] });
    expect(addressesOf('dummy0')).toEqual(['172.31.0.1/24']);
    for (const which of order) {
      expect(bridge('stop', ...(calls[which] ?? []))).toEqual(FINE);
      expect(bridge('stop', `vifnum=${which}`)).toEqual(FINE);
    }
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });
});

describe('status', () => {
  test('prints addresses, bridges and routes, and the same as JSON', async () => {
    await plugged();
    expect(bridge('start')).toEqual(FINE);
    const text = bridge('status').stdout;
    expect(text).toMatch(/^xenbr0\t\t8000\.feffffffffff\tno\t\tpeth0\n\t+vif0\.0$/m);
    expect(text).toContain('inet 192.0.2.10/24');
    expect(text).toContain('default via 192.0.2.1 dev eth0');
    const json: unknown = JSON.parse(bridge('status', '--json').stdout);
    expect(json).toMatchObject({
      bridges: [{ name: 'xenbr0', stp: false, ports: ['peth0', 'vif0.0'] }],
      bridged: [{ topology: 'classic', bridge: 'xenbr0', netdev: 'eth0', nic: 'peth0' }],
    });
  });
});

describe('IPv6 duplicate address detection', () => {
  test('does not make the host deaf, and a route may have a source', async () => {
    host = await Host.create({ dad: true });
    host.nic('eth0', {
      address: '192.0.2.10/24',
      gateway: '192.0.2.1',
      address6: '2001:db8::10/64',
      gateway6: '2001:db8::1',
    });
    await settled(host);
    host.ip('route add 2001:db8:9::/48 via 2001:db8::2 src 2001:db8::10');
    const before = await settled(host);
    expect(bridge('start', 'topology=rename')).toEqual(FINE);
    expect(host.ok('ip', '-6', 'address', 'show', 'dev', 'eth0', 'scope', 'global')).not.toMatch(
      /tentative|nodad/,
    );
    expect(bridge('stop')).toEqual(FINE);
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });
});

test('any of many random sets of addresses comes back as it was', async () => {
  host = await Host.create();
  host.nic('eth0', { mac: CARD_MAC });
  const random = randomNumbers(20);
  const lines = Array.from({ length: 60 }, () => {
    const label = random(3) === 0 ? ` label eth0:${random(90)}` : '';
    const flags = [
      random(4) === 0 ? ' noprefixroute' : '',
      random(4) === 0 ? ' valid_lft 9000 preferred_lft 8000' : '',
    ];
    return random(3) === 0
      ? `address replace 2001:db8:${random(5)}::${random(99) + 1}/${48 + 16 * random(2)} dev eth0${flags.join('')}`
      : `address replace 10.${random(3)}.0.${random(250) + 1}/${16 + 8 * random(2)} brd + dev eth0${label}${flags.join('')}`;
  });
  host.ip(...lines);
  const before = await settled(host);
  for (const topology of ['classic', 'plain', 'rename']) {
    expect(bridge('start', `topology=${topology}`, 'netdev=eth0').status).toBe(0);
    expect(bridge('stop', 'netdev=eth0').status).toBe(0);
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  }
});
