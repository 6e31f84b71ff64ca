import { describe, expect, test } from 'vitest';
import { RequestError } from '../../../lib/errors.ts';
import { natAssignments, natGuestAddresses } from '../../../lib/plan/routed/nat.ts';
import { ipv4Octets, prefixText } from '../../../lib/request/addresses.ts';
import { natAddresses, routerOf } from '../../../lib/request/nat-address.ts';
import { randomNumbers } from '../../support/random.ts';

const nat = (ip: string, domid = 1, handle = 0) => {
  const { guest, router, others } = natAddresses(ip, domid, handle);
  return [guest, router, ...others.map(prefixText)];
};

describe('the addresses behind vif-nat', () => {
  test.each([
    [1, 0, '10.0.1.1', '10.0.1.128'],
    [1, 3, '10.0.1.4', '10.0.1.131'],
    [255, 0, '10.0.255.1', '10.0.255.128'],
    [256, 0, '10.1.0.1', '10.1.0.128'],
    [32751, 1, '10.127.239.2', '10.127.239.129'],
    [1, 199, '10.0.1.200', '10.0.1.73'],
  ])('of domain %i, card %i, when nothing is given', (domid, handle, guest, router) => {
    expect(nat('', domid, handle)).toEqual([guest, router]);
  });

  test.each([
    ['192.0.2.5', '192.0.2.5', '192.0.2.132'],
    ['192.0.2.5/32', '192.0.2.5', '192.0.2.132'],
    ['192.0.2.5/24', '192.0.2.5', '192.0.2.132'],
    ['192.0.2.5/16', '192.0.2.5', '192.0.2.132'],
    ['192.0.2.127/24', '192.0.2.127', '192.0.2.254'],
    ['192.0.2.128/24', '192.0.2.128', '192.0.2.1'],
    ['192.0.2.200/24', '192.0.2.200', '192.0.2.73'],
    ['192.0.2.200/16', '192.0.2.200', '192.0.2.73'],
    ['192.0.2.200', '192.0.2.200', '192.0.2.73'],
    ['192.0.2.255', '192.0.2.255', '192.0.2.128'],
    ['192.0.2.0/16', '192.0.2.0', '192.0.2.127'],
    ['192.0.2.1/25', '192.0.2.1', '192.0.2.2'],
    ['192.0.2.1/30', '192.0.2.1', '192.0.2.2'],
    ['192.0.2.2/30', '192.0.2.2', '192.0.2.1'],
    ['192.0.2.7/30', undefined, undefined],
    ['192.0.2.6/31', '192.0.2.6', '192.0.2.7'],
    ['192.0.2.7/31', '192.0.2.7', '192.0.2.6'],
  ])('for ip=%s', (ip, guest, router) => {
    if (guest === undefined) expect(() => nat(ip)).toThrow('broadcast address');
    else expect(nat(ip)).toEqual([guest, router]);
  });

  test('the first IPv4 address is the guest’s; a prefix makes no range of the others', () => {
    expect(nat('2001:db8::7 192.0.2.5/24, 198.51.100.7/24 10.1.2.3')).toEqual([
      ...['192.0.2.5', '192.0.2.132', '198.51.100.7/32', '10.1.2.3/32', '2001:db8::7/128'],
    ]);
  });

  test('what is given twice counts once', () => {
    expect(nat('10.0.5.1/24 10.0.5.1, 10.0.5.9 10.0.5.9/24 fd00::5 fd00::5')).toEqual([
      ...['10.0.5.1', '10.0.5.128', '10.0.5.9/32', 'fd00::5/128'],
    ]);
  });

  test.each([
    ['10.0.5.1 10.0.5.128', "which is dom0's own address on the way to 10.0.5.1"],
    ['224.0.0.5', 'which is a multicast address'],
    ['0.0.0.0', 'which is no address of a host'],
    ['127.0.0.1/8', 'which is a loopback address'],
    ['10.0.5.1 255.255.255.255', 'which is no address of a host'],
    ['10.0.5.1 ff02::1', 'which is a multicast address'],
  ])('%s is refused', (ip, why) => {
    expect(() => nat(ip)).toThrow(RequestError);
    expect(() => nat(ip)).toThrow(why);
  });

  test('an IPv6 address with a prefix is one address, a prefix alone is a range', () => {
    expect(nat('2001:db8::7/64 2001:db8:1::/64').slice(2)).toEqual(['2001:db8::7/128', '2001:db8:1::/64']);
    expect(nat('2001:DB8:0::7')[0]).toBe('10.0.1.1');
  });

  test.each([
    ['192.0.2.0/24', "the network's own address"],
    ['192.0.2.255/24', 'the broadcast address'],
    ['10.0.0.0/8', "the network's own address"],
    ['192.0.2.256', 'is no address'],
    ['192.0.2.1/33', 'is no address'],
    ['192.0.2.1/24/24', 'is no address'],
    ['192.0.2', 'is no address'],
    ['2001:db8::g', 'is no address'],
    ['$(id)', 'is no address'],
    ['-s', 'is no address'],
  ])('ip=%s is refused', (ip, why) => {
    expect(() => nat(ip)).toThrow(RequestError);
    expect(() => nat(ip)).toThrow(why);
  });

  test('the network and broadcast address of what is given by itself are refused as well', () => {
    expect(() => nat('', 255, 254)).toThrow('the broadcast address');
  });
});

/** An IPv4 address as a number. */
function number(address: string): number {
  return (ipv4Octets(address) ?? []).reduce((sum, octet) => sum * 256 + octet, 0);
}

describe('the router, for any guest', () => {
  test('is in the guest’s subnet and is not the guest, the network or its broadcast address', () => {
    const random = randomNumbers(1);
    for (let n = 0; n < 3000; n++) {
      const length = 1 + random(32);
      const size = 2 ** (32 - length);
      const base = Math.floor((random(2 ** 16) * 2 ** 16 + random(2 ** 16)) / size) * size;
      const most = Math.min(size, 2 ** 31);
      const guest = base + (length >= 31 ? random(size) : 1 + random(most - 2));
      const text = [24, 16, 8, 0].map((shift) => (guest >>> shift) & 255).join('.');
      const router = number(routerOf(text, length));
      const [low, high] =
        length === 32 ? [guest - (guest % 256), guest - (guest % 256) + 255] : [base, base + size - 1];
      const seen = { text, length, router: routerOf(text, length) };
      expect({ ...seen, inside: router >= low && router <= high }).toEqual({ ...seen, inside: true });
      expect({ ...seen, guest: router === guest }).toEqual({ ...seen, guest: false });
      if (length === 31) continue;
      expect({ ...seen, edge: router === low || router === high }).toEqual({ ...seen, edge: false });
      expect({ ...seen, last: [0, 255].includes(router % 256) && length <= 24 }).toEqual({
        ...seen,
        last: false,
      });
    }
  });

  test('is where the stock script puts it, wherever that is a usable address of the subnet', () => {
    for (let last = 1; last <= 127; last++)
      for (const length of [8, 16, 24, 32])
        expect(routerOf(`10.9.8.${last}`, length)).toBe(`10.9.8.${last + 127}`);
  });
});

describe('what is assigned to the guest', () => {
  const uplink = { device: 'eth0', index: 2, main4: '198.51.100.2', main6: '2001:db8::2' };

  test('with IPv4: the router’s address, and routes by it', () => {
    expect(natAssignments('vif1.0', natAddresses('192.0.2.5/24 192.0.2.9', 1, 0), undefined, 'vif')).toEqual([
      { kind: 'address', device: 'vif1.0', prefix: '192.0.2.132/32' },
      { kind: 'route', device: 'vif1.0', prefix: '192.0.2.5/32', source: '192.0.2.132' },
      { kind: 'route', device: 'vif1.0', prefix: '192.0.2.9/32', source: '192.0.2.132' },
    ]);
  });

  test('with IPv6: what vif-route assigns, without its IPv4 address', () => {
    expect(natAssignments('vif1.0', natAddresses('fd00::5', 1, 0), uplink, 'vif').slice(2)).toEqual([
      { kind: 'address', device: 'vif1.0', prefix: '2001:db8::2/128' },
      { kind: 'route', device: 'vif1.0', prefix: 'fd00::5/128', metric: 2 },
      { kind: 'proxy', device: 'eth0', address: 'fd00::5' },
    ]);
  });

  test('and all its addresses are what its filter knows', () => {
    expect(natGuestAddresses(natAddresses('192.0.2.5/24 fd00::5/64', 1, 0)).map(prefixText)).toEqual([
      '192.0.2.5/32',
      'fd00::5/128',
    ]);
  });
});
