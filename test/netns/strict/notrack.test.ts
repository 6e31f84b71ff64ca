import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { xlEnv } from '../../support/hosts/host.ts';
import type { Namespace } from '../../support/hosts/namespace.ts';
import { guestMac, StrictHost } from '../../support/hosts/strict-host.ts';

const HOST = '192.0.2.254';

let host: StrictHost;
let guests: readonly Namespace[];

beforeAll(async () => {
  host = await StrictHost.create();
  const { host: dom0 } = host.vif;
  dom0.ip(`address add ${HOST}/24 dev xenbr0`);
  // A rule that asks for connections makes the kernel track them.
  for (const tool of ['iptables', 'ip6tables'])
    dom0.ok(tool, '-t', 'mangle', '-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'NEW');
  guests = [1, 2].map((domid) => dom0.netns(`guest${domid}`));
});

afterAll(() => host.vif.host.close());

beforeEach(() => {
  host.bridgeNf(true);
  for (const domid of [1, 2]) {
    host.vif.card(domid, { mac: guestMac(domid), ip: addresses(domid) });
    guest(domid).ip(
      'link set eth0 up',
      ...addresses(domid)
        .split(' ')
        .map((a) => `address add ${a}/${lengthOf(a)} dev eth0`),
    );
  }
});

afterEach(() => {
  for (const domid of [1, 2]) expect(host.vif.offline(domid).status).toBe(0);
  expect(host.vif.host.ok('sh', '-c', 'iptables-save; ip6tables-save')).not.toContain('xen-network');
  host.vif.host.ok('sh', '-c', 'rm -rf /run/xen-network; iptables -P INPUT ACCEPT; iptables -F INPUT');
  host.vif.host.ok('sh', '-c', 'echo 0 >/proc/sys/net/ipv4/ip_forward');
});

const addresses = (domid: number): string => `192.0.2.${domid} 2001:db8::${domid}`;
const lengthOf = (address: string): number => (address.includes(':') ? 64 : 24);

function guest(domid: number): Namespace {
  return guests[domid - 1] ?? host.outside;
}

const online = (domid: number, ...words: string[]) =>
  host.vif.host.hook('vif-bridge', ['online', ...words], xlEnv(domid));

/** The connections that the kernel knows of, without their clocks, but for those with the host itself. */
const connections = (): string[] =>
  host.vif.host
    .ok('cat', '/proc/net/nf_conntrack')
    .split('\n')
    .filter((line) => /src=(192\.0\.2\.|2001:0?db8:)/.test(line) && !line.includes(HOST))
    .map((line) => line.replace(/^.*?(?=src=)/, ''));

/** Pings between guests and with the outside, both ways; what of it the kernel tracks. */
function tracked(): string[] {
  const before = new Set(connections());
  const pairs: readonly (readonly [Namespace, string])[] = [
    [guest(1), '192.0.2.2'],
    [guest(2), '192.0.2.250'],
    [host.outside, '192.0.2.1'],
    [guest(1), '2001:db8::2'],
    [guest(2), '2001:db8::250'],
    [host.outside, '2001:db8::1'],
  ];
  expect(pairs.map(([from, to]) => `${to} ${from.reaches(to)}`)).toEqual(pairs.map(([, to]) => `${to} true`));
  return connections().filter((line) => !before.has(line));
}

const raw = (family: 4 | 6 = 4): string[] =>
  host.vif.host
    .ok(family === 4 ? 'iptables' : 'ip6tables', '-t', 'raw', '-S', 'PREROUTING')
    .split('\n')
    .filter((line) => line.startsWith('-A'));

test('without it, what guests send each other is tracked', () => {
  for (const domid of [1, 2]) expect(online(domid).status).toBe(0);
  expect(raw()).toEqual([]);
  expect(tracked()).toHaveLength(6);
});

describe('notrack=yes', () => {
  test('keeps all bridged packets of guests out of connection tracking', () => {
    for (const domid of [1, 2])
      expect(online(domid, 'notrack=yes')).toEqual({ status: 0, stdout: '', stderr: '' });
    const comment = '-m comment --comment "xen-network vif1.0 domain 1"';
    expect(raw().slice(-2)).toEqual([
      `-A PREROUTING -m physdev --physdev-in vif1.0 -m addrtype ! --dst-type LOCAL ${comment} -j CT --notrack`,
      `-A PREROUTING -d 192.0.2.1/32 -m physdev --physdev-is-in ${comment} -j CT --notrack`,
    ]);
    expect(raw(6)).toHaveLength(4);
    expect(tracked()).toEqual([]);
    expect(online(1, 'notrack=yes').status).toBe(0);
    expect(raw()).toHaveLength(4);
  });

  test('leaves what goes to the host itself to its firewall', () => {
    for (const domid of [1, 2]) expect(online(domid, 'notrack=yes').status).toBe(0);
    host.vif.host.ok(
      'iptables',
      '-A',
      'INPUT',
      '-m',
      'conntrack',
      '--ctstate',
      'ESTABLISHED',
      '-j',
      'ACCEPT',
    );
    host.vif.host.ok('iptables', '-P', 'INPUT', 'DROP');
    expect(host.vif.host.reaches('192.0.2.1')).toBe(true);
    expect(guest(1).reaches(HOST)).toBe(false);
  });

  test('is warned about where the host forwards for the bridge', () => {
    host.vif.host.ok('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward');
    const ran = online(1, 'notrack=yes');
    expect(ran.status).toBe(0);
    expect(ran.stderr).toContain('this host forwards for xenbr0');
    expect(raw()).toHaveLength(2);
  });

  test('under the strict filter is a matter of that filter, and NAT by the host goes on', () => {
    host.vif.host.ok('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward');
    for (const domid of [1, 2])
      expect(online(domid, 'antispoof=strict', 'notrack=yes')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(raw()).toEqual([]);
    expect(tracked()).toEqual([]);

    // A network behind the host, which sees no guest's address.
    const far = host.vif.host.netns('far');
    host.vif.host.ip(
      'link add far0 type veth peer name eth0 netns far',
      'link set far0 up',
      'address add 203.0.113.254/24 dev far0',
    );
    far.ip('link set eth0 up', 'address add 203.0.113.1/24 dev eth0');
    host.vif.host.ok('iptables', '-t', 'nat', '-A', 'POSTROUTING', '-o', 'far0', '-j', 'MASQUERADE');
    guest(1).ip(`route add default via ${HOST}`);
    expect(guest(1).reaches('203.0.113.1')).toBe(true);
    expect(tracked()).toEqual([]);
    host.vif.host.ok('iptables', '-t', 'nat', '-F');
    host.vif.host.ip('link del far0');
  });
});

describe('notrack=yes under the strict filter', () => {
  /** A bridge that nobody gave an address: it takes the lowest of its ports'. */
  const onBareBridge = (then: () => void) => {
    const { host: dom0 } = host.vif;
    dom0.ip('link add xenbr7 type bridge', 'link set xenbr7 up', `address add 198.51.100.254/24 dev xenbr7`);
    dom0.ok('iptables', '-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT');
    dom0.ok('iptables', '-P', 'INPUT', 'DROP');
    host.vif.store.write({ '/local/domain/0/backend/vif/1/0/ip': '198.51.100.1' });
    guest(1).ip('address add 198.51.100.1/24 dev eth0');
    try {
      then();
    } finally {
      dom0.ip('link del xenbr7');
    }
  };

  test("leaves the host its connections, whichever of its ports' addresses the bridge has", () => {
    onBareBridge(() => {
      const { host: dom0 } = host.vif;
      expect(online(1, 'bridge=xenbr7', 'antispoof=strict', 'notrack=yes').status).toBe(0);
      expect(dom0.ok('ip', 'link', 'show', 'xenbr7')).toContain('fe:ff:ff:ff:ff:ff');
      expect(dom0.reaches('198.51.100.1')).toBe(true);
      dom0.ip(
        'link add low0 address 02:00:00:00:00:07 type veth peer name low1',
        'link set low0 master xenbr7 up',
        'neigh flush dev xenbr7',
      );
      guest(1).ip('neigh flush dev eth0');
      expect(dom0.ok('ip', 'link', 'show', 'xenbr7')).toContain('02:00:00:00:00:07');
      expect(online(1, 'bridge=xenbr7', 'antispoof=strict', 'notrack=yes').status).toBe(0);
      expect(dom0.reaches('198.51.100.1')).toBe(true);
      dom0.ip('link del low0');
    });
  });
});

describe('notrack=auto', () => {
  /** As network-bridge leaves it under antispoof=yes. */
  const antispoof = () => {
    const record = {
      topology: 'plain',
      bridge: 'xenbr0',
      netdev: 'up0',
      nic: 'up0',
      nicIndex: 2,
      mac: '02:00:00:00:00:fa',
    };
    const before = { policy: { 4: 'ACCEPT', 6: 'ACCEPT' }, rules: [], settings: {} };
    host.vif.host.write('/run/xen-network/bridge/xenbr0', JSON.stringify({ ...record, antispoof: before }));
  };

  test('is on where antispoof makes bridged packets pass iptables', () => {
    antispoof();
    for (const domid of [1, 2]) expect(online(domid).stderr).toBe('');
    expect(raw()).toHaveLength(4);
    expect(tracked()).toEqual([]);
  });

  test('is off where the host forwards for the bridge, and may masquerade', () => {
    antispoof();
    host.vif.host.ok('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward');
    expect(online(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(raw()).toEqual([]);
    expect(raw(6)).toHaveLength(2);
  });

  test('is off without antispoof, and notrack=no with it', () => {
    expect(online(1).status).toBe(0);
    expect(raw()).toEqual([]);
    antispoof();
    expect(online(2, 'notrack=no').status).toBe(0);
    expect(raw()).toEqual([]);
  });
});
