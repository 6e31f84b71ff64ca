import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPluggedHost } from '../support/bridge-state.ts';
import type { Host } from '../support/host.ts';
import { FINE } from '../support/namespace.ts';

let host: Host;

beforeEach(async () => {
  host = await createPluggedHost();
});

afterEach(() => host.close());

describe.each([
  ['classic', 'eth0'],
  ['rename', 'eth0'],
  ['plain', 'xenbr0'],
] as const)(
  'what the kernel knows of a card is with the addresses, and back after stop (%s)',
  (topology, top) => {
    const call = (word: string) => host.hook('network-bridge', [word, `topology=${topology}`, 'netdev=eth0']);

    test('the identifier for routers’ prefixes (ip token)', () => {
      host.ok('sysctl', '-qw', 'net.ipv6.conf.eth0.accept_ra=1');
      host.ok('ip', 'token', 'set', '::5', 'dev', 'eth0');
      expect(call('start')).toEqual(FINE);
      expect(host.ok('ip', 'token', 'get', 'dev', top)).toContain('token ::5 ');
      expect(call('stop')).toEqual(FINE);
      expect(host.ok('ip', 'token', 'get', 'dev', 'eth0')).toContain('token ::5 ');
    });

    test('neighbours that were set by hand, whether they are asked for or not', () => {
      const found = (dev: string) =>
        ['permanent', 'noarp'].map((nud) => host.ok('ip', '-4', 'neigh', 'show', 'nud', nud, 'dev', dev));
      host.ip('neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev eth0 nud noarp');
      host.ip('neigh add 192.0.2.78 lladdr 02:00:00:00:00:78 dev eth0 nud permanent');
      const both = [expect.stringContaining('192.0.2.78'), expect.stringContaining('192.0.2.77')];
      expect(call('start')).toEqual(FINE);
      expect(found(top)).toEqual(both);
      expect(call('stop')).toEqual(FINE);
      expect(found('eth0')).toEqual(both);
    });
  },
);
