import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { seal } from '../../../lib/record/sealed.ts';
import { arp, ether, ipv4, PROTO, TYPE, zeros } from '../../support/frames/packets.ts';
import { flood } from '../../support/frames/wire.ts';
import { guestMac, StrictHost } from '../../support/hosts/strict-host.ts';
import { sleep, waitUntil } from '../../support/wait.ts';
import { Watch } from '../../support/watch.ts';

let host: StrictHost;

beforeAll(async () => {
  host = await StrictHost.create();
});

afterAll(() => host.vif.host.close());

const tool = (...words: string[]) => host.vif.host.hook('xen-network', words);

afterEach(() => {
  for (const domid of [1, 3]) host.vif.unplug(domid);
});

describe('while a card comes and goes, a guest that forges all the time gets no frame out, not even one', () => {
  const forged = arp({ from: guestMac(2), is: '192.0.2.2' });
  const FORGED = [
    ether(guestMac(2), TYPE.arp, forged),
    ether(guestMac(2), TYPE.ip, ipv4({ from: '192.0.2.1', proto: PROTO.tcp }, zeros(20))),
  ];

  /** Without the filter they do come out, so that none is none. */
  async function flooded(then: () => Promise<void>): Promise<void> {
    const watch = new Watch(host.vif.host.netns('outside'), `ether saddr ${guestMac(2)}`);
    watch.start();
    host.vif.card(1, { mac: guestMac(1), ip: '192.0.2.1' });
    host.vif.host.netns('guest1').ip('link set eth0 up');
    const stop = flood(host.vif.host, { netns: 'guest1', device: 'eth0' }, FORGED);
    try {
      expect(host.vif.online(1).status).toBe(0);
      await waitUntil('a forged frame', () => watch.count() > 0);
      expect(host.vif.offline(1).status).toBe(0);
      const before = watch.count();
      await then();
      expect(watch.count()).toBe(before);
    } finally {
      stop();
    }
  }

  test('online, online again, refilter, offline', () =>
    flooded(async () => {
      for (let turn = 0; turn < 8; turn++) {
        expect(host.online(1).status).toBe(0);
        await sleep(10);
        expect(host.online(1).status).toBe(0);
        if (turn === 6) host.vif.host.ok('rm', '-rf', '/run/xen-network/strict');
        if (turn % 2 === 0) expect(tool('refilter').status).toBe(0);
        expect(host.drops('vif1.0')).toBeGreaterThan(0);
        expect(host.vif.offline(1).status).toBe(0);
      }
    }));

  test('online under another name each time', () =>
    flooded(async () => {
      for (const vifname of ['web', 'mail', 'shop', 'web', 'mail', 'shop']) {
        host.vif.store.write({ '/local/domain/0/backend/vif/1/0/vifname': vifname });
        expect(host.online(1).status).toBe(0);
        await waitUntil(`a drop of ${vifname}`, () => host.drops(vifname) > 0);
      }
      expect(host.vif.offline(1).status).toBe(0);
    }));

  test('with other addresses and other modes', () =>
    flooded(async () => {
      expect(host.online(1).status).toBe(0);
      for (const ip of ['192.0.2.9', '', '192.0.2.0/24 2001:db8::/64', '192.0.2.0/25', '192.0.2.1']) {
        host.vif.store.write({ '/local/domain/0/backend/vif/1/0/ip': ip });
        expect(host.online(1).status).toBe(0);
        for (const mode of ['disabled', 'locked']) expect(tool('vif', 'vif1.0', mode).status).toBe(0);
        for (const log of ['on', 'off']) expect(tool('vif', 'vif1.0', 'log', log).status).toBe(0);
      }
      expect(host.drops('vif1.0')).toBeGreaterThan(0);
      expect(host.vif.offline(1).status).toBe(0);
    }));

  test('while refilter runs over and over, and other guests come and go', () =>
    flooded(async () => {
      expect(host.online(1).status).toBe(0);
      for (let turn = 0; turn < 5; turn++) {
        host.guest(3, { ip: '192.0.2.3' });
        expect(tool('refilter').status).toBe(0);
        expect(host.vif.offline(3).status).toBe(0);
        expect(tool('refilter').status).toBe(0);
      }
      expect(host.drops('vif1.0')).toBeGreaterThan(0);
      expect(host.vif.offline(1).status).toBe(0);
    }));

  /** Leaves the table and the record that a version made which knew the bridge family alone. */
  function asBefore(): void {
    const path = '/run/xen-network/strict/vif1.0';
    const line = host.vif.host.ok('cat', path);
    const record: unknown = JSON.parse(line.slice(line.indexOf('{')));
    const text = JSON.stringify(record, (_key, value: unknown) =>
      Array.isArray(value) ? value.filter((each) => !`${each}`.startsWith('netdev ')) : value,
    );
    host.vif.host.write(path, `${seal(text)}\n`);
    host.vif.host.ok('nft', 'delete table netdev xen_network');
  }

  test('while it is taken over from a version that knew the bridge family alone', () =>
    flooded(async () => {
      const listing = () => host.vif.host.ok('nft', 'list', 'table', 'netdev', 'xen_network');
      expect(host.online(1).status).toBe(0);
      asBefore();
      expect(tool('refilter').status).toBe(0);
      expect(listing()).toContain('chain groups/vif1.0');
      asBefore();
      host.guest(3, { ip: '192.0.2.3' });
      expect(listing()).toContain('chain groups/vif3.0');
      asBefore();
      expect(host.online(1).status).toBe(0);
      expect(listing()).toContain('chain groups/vif1.0');
      asBefore();
      expect(host.vif.offline(1).status).toBe(0);
    }));
});
