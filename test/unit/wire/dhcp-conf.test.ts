import { describe, expect, test } from 'vitest';
import {
  type Lease,
  leaseRange,
  leaseSubnet,
  netmask,
  parseDhcpWish,
  parseResolver,
} from '../../../lib/request/dhcp.ts';
import {
  applyEdit,
  declaredSubnets,
  type FileEdit,
  hostEntries,
  hostLine,
  isDeclared,
  isHandMade,
  oppositeEdit,
  variableWords,
} from '../../../lib/wire/dhcp-conf.ts';

const lease = (name: string, number = 1): Lease => ({
  name,
  mac: `00:16:3e:00:00:0${number}`,
  address: `10.0.${number}.1`,
  router: `10.0.${number}.128`,
  device: `vif${number}.0`,
});

function there(text: string, edit: FileEdit): string {
  return applyEdit(text, edit);
}

describe('a line', () => {
  const TEXTS = ['', '\n', '# by hand', '# by hand\n', 'a\r\nb\r\n', 'a\n\n\nb', '\xe4\xff\n\ttab \n'];
  const line = hostLine(lease('dom1'));

  test.each(TEXTS)('comes and goes, and %j is as it was', (text) => {
    const other = { from: undefined, to: hostLine(lease('dom10', 2)) };
    const edit = { from: undefined, to: line };
    const both = there(there(text, edit), other);
    expect(hostEntries(both).map(({ name }) => name)).toEqual(['dom1', 'dom10']);
    const one = there(both, oppositeEdit(text, edit));
    expect(hostEntries(one).map(({ name }) => name)).toEqual(['dom10']);
    expect(there(one, { from: other.to, to: undefined })).toBe(text);
  });

  test('that is there already is not put there twice', () => {
    const once = there('x\n', { from: undefined, to: line });
    expect(there(once, { from: undefined, to: line })).toBe(once);
  });

  test('that is taken away comes back to its place', () => {
    const text = `a\n${line}\nb\n`;
    const edit = { from: line, to: undefined };
    expect(there(there(text, edit), oppositeEdit(text, edit))).toBe(text);
  });
});

describe('a list of devices', () => {
  const VALUES = ['""', "''", '', 'eth1', '"eth1"', "'eth1 eth2'", '"eth1 "', '" eth1"', '" eth1  eth2 "'];
  const word = (device: string, present: boolean): FileEdit => ({
    variable: 'INTERFACESv4',
    word: device,
    present,
  });

  test.each(VALUES)('takes and lets go devices in any order, and INTERFACESv4=%s is as it was', (value) => {
    const text = `# INTERFACESv4="no"\nINTERFACESv4=${value} # by hand\nINTERFACESv6=""\n`;
    const before = variableWords(text, 'INTERFACESv4') ?? [];
    const three = ['vif1.0', 'vif10.0', 'vif1.01'].reduce(
      (now, device) => there(now, word(device, true)),
      text,
    );
    expect(variableWords(three, 'INTERFACESv4')).toEqual([...before, 'vif1.0', 'vif10.0', 'vif1.01']);
    expect(there(three, word('vif1.0', true))).toBe(three);
    const one = there(three, word('vif1.0', false));
    expect(variableWords(one, 'INTERFACESv4')).toEqual([...before, 'vif10.0', 'vif1.01']);
    expect(there(there(one, word('vif1.01', false)), word('vif10.0', false))).toBe(text);
  });

  test('that no line sets is told from an empty one', () => {
    expect(variableWords('#INTERFACES="eth0"\n', 'INTERFACES')).toBeUndefined();
    expect(variableWords('INTERFACES=""\n', 'INTERFACES')).toEqual([]);
  });
});

test('entries of hooks are told from those made by hand', () => {
  const stock =
    'host dom7 { hardware ethernet AA:bb:00:00:00:01; fixed-address 10.0.7.1; option routers 10.0.7.128; option host-name "dom7"; }';
  expect(hostEntries(stock)).toEqual([
    { line: stock, name: 'dom7', mac: 'aa:bb:00:00:00:01', address: '10.0.7.1', router: '10.0.7.128' },
  ]);
  expect(isHandMade(stock, 'dom7')).toBe(false);
  expect(isHandMade('host dom7 {\n  hardware ethernet aa:bb:00:00:00:01;\n}', 'dom7')).toBe(true);
  expect(isHandMade('# host dom7 { }\nhost dom70 { }', 'dom7')).toBe(false);
});

test('declared subnets are found outside comments', () => {
  const text = '#subnet 10.0.0.0 netmask 255.0.0.0 {}\nsubnet 192.0.2.0\n  netmask 255.255.255.0 { }';
  expect(declaredSubnets(text)).toEqual([{ address: '192.0.2.0', mask: '255.255.255.0' }]);
  expect(isDeclared(declaredSubnets(text), '192.0.2.77')).toBe(true);
  expect(isDeclared(declaredSubnets(text), '10.0.0.1')).toBe(false);
});

test.each([
  ['10.0.1.1', '10.0.1.128', '10.0.0.0', 16],
  ['192.168.5.2', '192.168.5.129', '192.168.5.0', 24],
  ['10.1.0.1', '10.1.0.128', '10.1.0.0', 24],
  ['192.0.2.1', '192.0.2.2', '192.0.2.0', 30],
] as const)('the subnet of %s with the router %s is %s/%d', (address, router, base, length) => {
  expect(leaseSubnet({ address, router })).toEqual({ family: 4, address: base, length });
});

test.each([
  ['10.1.1.1', 24, '10.1.1.128', '10.1.1.254'],
  ['10.1.1.254', 24, '10.1.1.128', '10.1.1.253'],
  ['10.1.1.140', 24, '10.1.1.141', '10.1.1.254'],
  ['10.0.0.1', 30, '10.0.0.2', '10.0.0.2'],
  ['10.0.0.2', 30, '10.0.0.1', '10.0.0.1'],
  ['10.0.0.1', 8, '10.255.251.255', '10.255.255.254'],
] as const)('a bridge with %s/%d hands out %s to %s', (own, length, first, last) => {
  expect(leaseRange(own, length)).toEqual([first, last]);
});

test('masks', () => {
  expect([0, 1, 16, 24, 31, 32].map(netmask)).toEqual([
    '0.0.0.0',
    '128.0.0.0',
    '255.255.0.0',
    '255.255.255.0',
    '255.255.255.254',
    '255.255.255.255',
  ]);
});

test('only what a guest can use is taken from resolv.conf', () => {
  const text =
    'domain a.example\nsearch b.example c.example\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n';
  expect(parseResolver(text)).toEqual({ domain: 'b.example', servers: ['192.0.2.53'] });
  expect(parseResolver('search x";}evil\nnameserver 192.0.2.1;reboot\n')).toEqual({
    domain: undefined,
    servers: [],
  });
});

test.each([
  [{}, 'unsaid'],
  [{ dhcp: 'yes' }, 'any'],
  [{ dhcp: 'NO' }, 'none'],
  [{ dhcp: 'dnsmasq' }, 'dnsmasq'],
] as const)('%j asks for %s', (values, wish) => {
  expect(parseDhcpWish(values)).toBe(wish);
});
