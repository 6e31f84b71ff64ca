import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HookHost } from '../../support/hosts/hook-host.ts';
import { xlEnv } from '../../support/hosts/host.ts';
import { guestMac, strictElementsIn } from '../../support/hosts/strict-host.ts';
import { waitUntil } from '../../support/wait.ts';

/** More steps than any offline here has. */
const TOO_MANY = 30;

const KINDS: readonly (readonly [hook: string, values: Readonly<Record<string, string>>])[] = [
  ['vif-bridge', { ip: '192.0.2.1 2001:db8::1', vifname: 'web' }],
  ['vif-bridge', { ip: '192.0.2.1', antispoof: 'strict', mac: guestMac(1), vifname: 'web' }],
  ['vif-route', { ip: '198.51.100.7 2001:db8::7' }],
];

describe.each(KINDS)('what an offline of %s that was ended has left, with %o,', (hook, values) => {
  let host: HookHost;

  beforeAll(async () => {
    host = await HookHost.create(hook);
    host.host.ip(
      'link add xenbr0 address 02:00:00:00:00:01 type bridge',
      'link set xenbr0 addrgenmode none up',
    );
    host.host.nic('eth0', {
      address: '192.0.2.250/24',
      gateway: '192.0.2.254',
      address6: '2001:db8::250/64',
      gateway6: '2001:db8::254',
    });
    // The bridge of another guest keeps the strict filter's table.
    host.card(3, { antispoof: 'strict', mac: guestMac(3) });
    if (hook === 'vif-bridge') expect(host.call('online', 3).status).toBe(0);
  });

  afterAll(() => host.host.close());

  beforeEach(() => {
    host.unplug(1);
    host.unplug(2);
  });

  /** Everything that could be left. */
  const left = (): readonly string[] => {
    const { host: dom0 } = host;
    const find = 'find /run/xen-network -name "vif1.0*" -o -name web | grep -v /lock/ || :';
    return [
      ...['iptables-save', 'ip6tables-save'].flatMap((tool) => dom0.ok(tool).split('\n')),
      ...dom0.ok('ip', '-6', 'neigh', 'show', 'proxy').split('\n'),
      ...dom0.ok('sh', '-c', find).split('\n'),
      ...strictElementsIn(dom0),
    ].filter((line) => /vif1\.0|web|2001:db8::7|\/strict\//.test(line));
  };

  function another(): void {
    host.card(2, { ip: '198.51.100.2', mac: guestMac(2) });
    expect(host.call('online', 2)).toMatchObject({ status: 0 });
    expect(host.call('offline', 2)).toMatchObject({ status: 0 });
  }

  test.each([
    ['the next hook of another guest', another],
    ['"xen-network recover"', () => expect(host.host.hook('xen-network', ['recover']).status).toBe(0)],
    ['"xen-network refilter"', () => expect(host.host.hook('xen-network', ['refilter']).status).toBe(0)],
    ['a network hook', () => host.host.hook('network-multi-bridge', ['stop', 'network-route'])],
  ])('goes with %s once the device is gone, whichever step was the last', (who, collect) => {
    for (let at = 1; at < TOO_MANY; at += 2) {
      host.card(1, values);
      expect(host.call('online', 1)).toMatchObject({ status: 0 });
      expect(left()).not.toEqual([]);
      const ran = host.strike('offline', 1, 'kill', at);
      host.unplug(1);
      if (ran === undefined) return expect({ who, at }).toEqual({ who, at: expect.any(Number) });
      collect();
      expect({ at, left: left() }).toEqual({ at, left: [] });
    }
    expect.unreachable('The offline has no end.');
  });

  test('goes with "xen-network recover" while the device is there yet, but for the first word', () => {
    for (let at = 2; at < TOO_MANY; at += 2) {
      host.card(1, values);
      expect(host.call('online', 1)).toMatchObject({ status: 0 });
      if (host.strike('offline', 1, 'kill', at) === undefined) return;
      expect(host.host.hook('xen-network', ['recover']).status).toBe(0);
      expect({ at, left: left() }).toEqual({ at, left: [] });
      expect(host.host.ok('ip', '-br', 'link', 'show', 'up')).not.toMatch(/^(vif1\.0|web)@/m);
    }
    expect.unreachable('The offline has no end.');
  });

  test('goes when it was killed as it waited for its lock', async () => {
    const { host: dom0 } = host;
    host.card(1, values);
    expect(host.call('online', 1)).toMatchObject({ status: 0 });
    dom0.ok('sh', '-c', 'rm -f /run/go /run/held; mkdir -p /run/xen-network/lock');
    const holding = 'touch /run/held; until [ -e /run/go ]; do sleep 0.02; done';
    const holder = dom0.start(['flock', '/run/xen-network/lock/vif1.0', 'sh', '-c', holding]);
    await waitUntil('the lock to be held', () => dom0.run(['test', '-e', '/run/held']).status === 0);
    const script = `echo $$ >/run/pid; exec /etc/xen/scripts/${hook} offline`;
    const offline = dom0.start(['sh', '-c', script], {
      env: { PATH: process.env['PATH'] ?? '', ...xlEnv(1) },
    });
    await waitUntil('the offline to wait', () => dom0.ok('cat', '/proc/locks').includes('-> FLOCK'));
    dom0.ok('sh', '-c', 'kill -9 "$(cat /run/pid)"; touch /run/go');
    await Promise.all([offline, holder]);
    expect(left()).not.toEqual([]);
    host.unplug(1);
    another();
    expect(left()).toEqual([]);
  });

  const notes = (): string => host.host.ok('find', '/run/xen-network/leaving', '-type', 'f');

  test('goes where not even its note was whole', () => {
    host.card(1, values);
    expect(host.call('online', 1)).toMatchObject({ status: 0 });
    host.unplug(1);
    host.host.write('/run/xen-network/leaving/.vif1.0~', 'ask');
    another();
    expect([left(), notes()]).toEqual([[], '']);
  });

  // Found by `npm run soak -- --seed 2005 --acts 17`.
  test('is no part of a file that /run had no room for', () => {
    host.card(1, values);
    expect(host.call('online', 1)).toMatchObject({ status: 0 });
    const used = host.host.ok('df', '--output=used', '-k', '/run').split('\n')[1]?.trim();
    host.host.ok('mount', '-o', `remount,size=${used}k`, '/run');
    const ran = host.call('offline', 1);
    host.host.ok('mount', '-o', 'remount,size=50%', '/run');
    expect(ran).toMatchObject({ status: 0, stderr: expect.stringContaining('no space is left') });
    expect([left(), notes()]).toEqual([[], '']);
  });

  test('stays with a device that came back and is in use', () => {
    host.card(1, values);
    expect(host.call('online', 1)).toMatchObject({ status: 0 });
    const used = left();
    host.strike('offline', 1, 'kill', 3);
    expect(host.call('online', 1)).toMatchObject({ status: 0 });
    another();
    expect(left()).toEqual(used);
    expect(host.call('offline', 1)).toMatchObject({ status: 0 });
    expect(left()).toEqual([]);
  });
});
