import { describe, expect, test } from 'vitest';
import { ownerComment, rulesOf, vifForwardRules } from '../../../lib/filter/forward.ts';
import { parseAddressList } from '../../../lib/request/addresses.ts';

const OWNER = '-m comment --comment "xen-network vif1.0 domain 1"';

const rules = (ip: string, families: readonly (4 | 6)[] = [4]) =>
  vifForwardRules('vif1.0', parseAddressList(ip), families, OWNER);

const UNRESTRICTED = [
  `FORWARD -m physdev --physdev-in vif1.0 --physdev-is-bridged ${OWNER} -j ACCEPT`,
  `FORWARD -m physdev --physdev-out vif1.0 --physdev-is-bridged ${OWNER} -j ACCEPT`,
];

describe('the FORWARD rules of a guest', () => {
  test('with no address: one unrestricted pair, in the families that need one', () => {
    expect(rules('')).toEqual({ 4: UNRESTRICTED, 6: [] });
    expect(rules('', [4, 6])).toEqual({ 4: UNRESTRICTED, 6: UNRESTRICTED });
  });

  test('with IPv4 addresses and ranges: each of them, DHCP, and one way back', () => {
    expect(rules('192.0.2.7 10.0.0.0/8')).toEqual({
      4: [
        `FORWARD -s 192.0.2.7/32 -m physdev --physdev-in vif1.0 --physdev-is-bridged ${OWNER} -j ACCEPT`,
        `FORWARD -s 10.0.0.0/8 -m physdev --physdev-in vif1.0 --physdev-is-bridged ${OWNER} -j ACCEPT`,
        `FORWARD -p udp -m physdev --physdev-in vif1.0 --physdev-is-bridged -m udp --sport 68 --dport 67 ${OWNER} -j ACCEPT`,
        `FORWARD -m physdev --physdev-out vif1.0 --physdev-is-bridged ${OWNER} -j ACCEPT`,
      ],
      6: [],
    });
  });

  test('with IPv6 addresses: those, link-local, and the two messages an unconfigured address sends', () => {
    expect(rules('2001:db8::7', [4, 6])).toEqual({
      4: [],
      6: [
        `FORWARD -s 2001:db8::7/128 -m physdev --physdev-in vif1.0 --physdev-is-bridged ${OWNER} -j ACCEPT`,
        `FORWARD -s fe80::/10 -m physdev --physdev-in vif1.0 --physdev-is-bridged ${OWNER} -j ACCEPT`,
        `FORWARD -s ::/128 -p ipv6-icmp -m physdev --physdev-in vif1.0 --physdev-is-bridged -m icmp6 --icmpv6-type 135 ${OWNER} -j ACCEPT`,
        `FORWARD -s ::/128 -p ipv6-icmp -m physdev --physdev-in vif1.0 --physdev-is-bridged -m icmp6 --icmpv6-type 143 ${OWNER} -j ACCEPT`,
        `FORWARD -m physdev --physdev-out vif1.0 --physdev-is-bridged ${OWNER} -j ACCEPT`,
      ],
    });
  });

  test('with both: both, never mixed', () => {
    const both = rules('2001:db8::/64 192.0.2.7');
    expect(both[4]).toHaveLength(3);
    expect(both[6]).toHaveLength(5);
    expect(both[4].join('\n')).not.toContain('2001:');
    expect(both[6].join('\n')).not.toContain('192.0.2.7');
  });

  test('a range of everything is no condition', () => {
    expect(rules('0.0.0.0/0')[4][0]).toBe(UNRESTRICTED[0]);
  });

  test('there is one rule for each direction and address, however often an address is given', () => {
    expect(rules('192.0.2.7 192.0.2.7/32')[4]).toEqual(rules('192.0.2.7')[4]);
  });
});

describe("a guest's rules in a listing", () => {
  const from = '-m physdev --physdev-in vif1.0 --physdev-is-bridged';
  const other = (device: string) => ownerComment({ device, domid: 1 });
  const listing = [
    '*raw',
    `-A PREROUTING ${from} ${OWNER} -j CT --notrack`,
    `-A OUTPUT -o vif1.0 ${OWNER} -j CT --notrack`,
    'COMMIT',
    '*filter',
    ':FORWARD DROP [0:0]',
    `-A FORWARD -s 192.0.2.7/32 ${from} ${OWNER} -j ACCEPT`,
    `-A FORWARD -s 192.0.2.7/32 ${from} -j ACCEPT`,
    `-A FORWARD -s 192.0.2.7/32 ${from} -m comment --comment "not of xen-network vif1.0 " -j ACCEPT`,
    `-A FORWARD ${from} ${other('vif1.01')} -j ACCEPT`,
    `-A FORWARD ${from} ${other('vif1.0-emu')} -j ACCEPT`,
    `-A FORWARD ${from} ${other('vif11.0')} -j ACCEPT`,
    `-A FORWARD -m physdev --physdev-out web --physdev-is-bridged ${OWNER} -j ACCEPT`,
    'COMMIT',
    '',
  ].join('\n');

  test('are those with its comment, and nobody else of a like name, nor those of an administrator', () => {
    expect(rulesOf(listing, 'vif1.0')).toEqual([
      `FORWARD -s 192.0.2.7/32 ${from} ${OWNER} -j ACCEPT`,
      `FORWARD -m physdev --physdev-out web --physdev-is-bridged ${OWNER} -j ACCEPT`,
      `PREROUTING ${from} ${OWNER} -j CT --notrack`,
    ]);
    expect(rulesOf(listing, 'vif1.0-emu')).toHaveLength(1);
    expect(rulesOf(listing, 'vif1')).toEqual([]);
  });

  test('are told from a listing of exactly what was inserted', () => {
    const inserted = rules('192.0.2.7 2001:db8::7')[4];
    expect(rulesOf(['*filter', ...inserted.map((rule) => `-A ${rule}`)].join('\n'), 'vif1.0')).toEqual(
      inserted,
    );
  });
});

describe('the owner of a rule', () => {
  test('is the device and its domain, by name where the name is a plain word', () => {
    expect(ownerComment({ device: 'vif3.1-emu', domid: 3 })).toBe(
      '-m comment --comment "xen-network vif3.1-emu domain 3"',
    );
    expect(ownerComment({ device: 'vif3.1', domid: 3 }, 'web-1')).toContain(
      '"xen-network vif3.1 domain 3 web-1"',
    );
  });

  test.each(['a b', '"; x', "it's", '$(id)', '\\', 'a\nb', '', 'x'.repeat(65)])('never holds %j', (name) => {
    expect(ownerComment({ device: 'vif1.0', domid: 1 }, name)).toBe(OWNER);
  });
});
