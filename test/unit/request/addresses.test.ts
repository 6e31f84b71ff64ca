import { describe, expect, test } from 'vitest';
import {
  ipv4Octets,
  ipv6Groups,
  ipv6Text,
  maskedAddresses,
  parseAddressList,
  parsePrefix,
  prefixText,
} from '../../../lib/request/addresses.ts';

function canonical(text: string): string | undefined {
  const prefix = parsePrefix(text);
  return prefix === undefined ? undefined : prefixText(prefix);
}

describe('IPv4', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1/32'],
    ['0.0.0.0', '0.0.0.0/32'],
    ['255.255.255.255', '255.255.255.255/32'],
    ['192.0.2.0/24', '192.0.2.0/24'],
    ['192.0.2.77/24', '192.0.2.0/24'],
    ['192.0.2.77/30', '192.0.2.76/30'],
    ['10.255.255.255/9', '10.128.0.0/9'],
    ['192.0.2.1/0', '0.0.0.0/0'],
    ['255.255.255.255/31', '255.255.255.254/31'],
  ])('%s is %s', (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  test.each([
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '1.2.3.04',
    '1.2.3.-4',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.4/33',
    '1.2.3.4/',
    '1.2.3.4/8/8',
    '1.2.3.4/+8',
    '0x7f.0.0.1',
    '1.2.3.4\n',
    '1.2.3.4;id',
    '١.2.3.4',
  ])('%j is no address', (text) => {
    expect(canonical(text)).toBeUndefined();
  });

  test('the octets of an address', () => {
    expect(ipv4Octets('192.0.2.255')).toEqual([192, 0, 2, 255]);
  });
});

describe('IPv6', () => {
  // Text forms of RFC 4291 section 2.2 and the canonical ones of RFC 5952 section 4.
  test.each([
    ['::', '::/128'],
    ['::1', '::1/128'],
    ['1::', '1::/128'],
    ['2001:db8::1', '2001:db8::1/128'],
    ['2001:DB8:0:0:8:800:200C:417A', '2001:db8::8:800:200c:417a/128'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1/128'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1/128'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1/128'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1/128'],
    ['::ffff:192.0.2.1', '::ffff:c000:201/128'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221/128'],
    ['0:0:0:0:0:0:13.1.68.3', '::d01:4403/128'],
    ['fe80::1/10', 'fe80::/10'],
    ['2001:db8::ffff:ffff/64', '2001:db8::/64'],
    ['2001:db8:1:ffff::/49', '2001:db8:1:8000::/49'],
    ['ffff::/1', '8000::/1'],
    ['2001:db8::1/0', '::/0'],
  ])('%s is %s', (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  test.each([
    ':',
    ':::',
    '1',
    '::1::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '::g',
    '12345::',
    '1:::2',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
    '::1.2.3',
    '1.2.3.4::',
    '::1.2.3.4:1',
    '::1%eth0',
    'fe80::1/129',
    '::/-1',
    '::1 ',
  ])('%j is no address', (text) => {
    expect(canonical(text)).toBeUndefined();
  });

  test('text and groups are each other', () => {
    for (const text of ['::', '::1', '1::', '1:0:2::3', 'a:b:c:d:e:f:1:2', '1:0:2:0:3:0:4:0', '0:1::']) {
      const groups = ipv6Groups(text);
      expect(groups).toHaveLength(8);
      expect(ipv6Text(groups ?? [])).toBe(text);
    }
  });
});

describe('a list of addresses', () => {
  test('takes both families, ranges, blanks and commas, and drops doubles', () => {
    const list = parseAddressList(' 192.0.2.1\t192.0.2.1/32,2001:DB8::1\n10.0.0.0/8 2001:db8:0::1 ');
    expect(list.map(prefixText)).toEqual(['192.0.2.1/32', '2001:db8::1/128', '10.0.0.0/8']);
    expect(list.map((prefix) => prefix.family)).toEqual([4, 6, 4]);
  });

  test('takes netmasks that are written out', () => {
    const list = parseAddressList('192.0.2.11/255.255.255.255 198.51.100.0/255.255.255.0 10.0.0.0/255.0.0.0');
    expect(list.map(prefixText)).toEqual(['192.0.2.11/32', '198.51.100.0/24', '10.0.0.0/8']);
    for (const text of ['192.0.2.0/255.0.255.0', '192.0.2.0/0.0.0.255', '2001:db8::/255.255.0.0'])
      expect(() => parseAddressList(text)).toThrow('which is no address');
  });

  test('an address with the mask of its network is the one address, and named', () => {
    const text = '192.0.2.77/25 198.51.100.0/24 192.0.2.9/255.255.255.0 2001:db8::7/64 2001:db8::/64';
    expect(parseAddressList(text).map(prefixText)).toEqual([
      '192.0.2.77/32',
      '198.51.100.0/24',
      '192.0.2.9/32',
      '2001:db8::7/128',
      '2001:db8::/64',
    ]);
    expect(maskedAddresses(text)).toEqual(['192.0.2.77/25', '192.0.2.9/255.255.255.0', '2001:db8::7/64']);
  });

  test('is empty for no text', () => {
    expect(parseAddressList('')).toEqual([]);
    expect(parseAddressList(' , ')).toEqual([]);
  });

  test('names what is no address', () => {
    expect(() => parseAddressList('192.0.2.1 $(reboot)')).toThrow(
      'ip holds "$(reboot)", which is no address. Give IPv4 or IPv6 addresses, or CIDR ranges, with blanks between.',
    );
  });
});
