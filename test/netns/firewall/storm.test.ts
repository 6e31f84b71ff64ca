import { afterEach, expect, test } from 'vitest';
import { ether, ipv4, PROTO, TYPE, zeros } from '../../support/frames/packets.ts';
import { flood } from '../../support/frames/wire.ts';
import { Host, xlEnv } from '../../support/hosts/host.ts';
import { guestMac, strictElementsIn } from '../../support/hosts/strict-host.ts';
import { sleep, waitUntil } from '../../support/wait.ts';
import { Watch } from '../../support/watch.ts';
import type { Store } from '../../support/xenstore/store.ts';

/** Where the thief sends to, and nobody else. */
const PREY = '203.0.113.99';
const THIEF = 1;
const GUESTS = Array.from({ length: 24 }, (_, i) => i + 2);
/** So many come online at the same time. */
const LANES = 4;

/** What guests are on, and how theirs is configured. */
interface Stage {
  readonly what: string;
  readonly network: readonly [hook: string, ...words: string[]];
  readonly hookOf: (domid: number) => string;
  readonly values: (domid: number) => Record<string, string>;
}

const bridged = (antispoof: string): Stage => ({
  what: `bridged guests with antispoof=${antispoof}`,
  network: ['network-bridge', 'start', 'topology=plain', 'netdev=eth0', `antispoof=${antispoof}`],
  hookOf: () => 'vif-bridge',
  values: (domid) => ({ bridge: 'xenbr0', ip: `192.0.2.${100 + domid} 2001:db8::${100 + domid}` }),
});

const ROUTED: Stage = {
  what: 'routed and NAT guests with antispoof=yes',
  network: ['network-nat', 'start', 'antispoof=yes', 'dhcp=no'],
  hookOf: (domid) => (domid % 2 === 1 ? 'vif-nat' : 'vif-route'),
  values: (domid) => ({ ip: domid % 2 === 1 ? `10.0.1.${domid}` : `198.51.100.${domid}` }),
};

let host: Host;
let store: Store;

afterEach(() => host.close());

function call(stage: Stage, domid: number, command: 'online' | 'offline') {
  return host.startHook(stage.hookOf(domid), [command, 'type_if=vif'], xlEnv(domid));
}

async function raise(stage: Stage): Promise<void> {
  host = await Host.create();
  host.nic('eth0', { address: '192.0.2.2/24', gateway: '192.0.2.1', address6: '2001:db8::2/64' });
  host.ok('rm', '-f', '/etc/dhcp/dhcpd.conf');
  host.ok('sh', '-c', 'for name in all default; do echo 0 >/proc/sys/net/ipv4/conf/$name/rp_filter; done');
  store = await host.xenstore();
  const [hook, ...words] = stage.network;
  expect(host.hook(hook, words)).toMatchObject({ status: 0, stderr: '' });
  for (const domid of [THIEF, ...GUESTS]) {
    const guest = host.vif(domid);
    guest.ip(`link set eth0 address ${guestMac(domid)} up`);
    const script = `/etc/xen/scripts/${stage.hookOf(domid)}`;
    store.vif(domid, 0, { mac: guestMac(domid), script, ...stage.values(domid) });
  }
}

/** What holds all guests, in no order. */
function filters(): unknown {
  const rules = ['iptables', 'ip6tables'].map((tool) =>
    host
      .ok(`${tool}-save`)
      .split('\n')
      .filter((line) => /^(-A|:FORWARD )/.test(line))
      .map((line) => line.replace(/ \[\d+:\d+\]$/, ''))
      .sort(),
  );
  return { rules, elements: strictElementsIn(host) };
}

/** Brings some guests online, one after the other, until an online fails. */
async function lane(stage: Stage, domids: readonly number[]): Promise<string[]> {
  const said: string[] = [];
  for (const domid of domids) {
    const { status, stderr } = await call(stage, domid, 'online');
    if (status !== 0) said.push(`${domid}: ${stderr}`);
  }
  return said;
}

test.each([bridged('strict'), bridged('yes'), ROUTED])(
  'while $what come online, and the firewall is flushed and refiltered, nobody is unfiltered longer than that, or lost',
  async (stage) => {
    await raise(stage);
    expect(await call(stage, THIEF, 'online')).toMatchObject({ status: 0, stderr: '' });
    const gateway = host.netns('gw-eth0');
    const [hop, device] = stage === ROUTED ? [host, 'vif1.0'] : [gateway, 'eth0'];
    const next = hop.ok('ip', '-br', 'link', 'show', 'dev', device).split(/ +/)[2] ?? '';
    const packet = ipv4({ from: '192.0.2.66', to: PREY, proto: PROTO.tcp }, zeros(20));
    const watch = new Watch(gateway, `ip daddr ${PREY}`);
    watch.start();
    const stop = flood(host, { netns: `guest${THIEF}`, device: 'eth0' }, [
      ether(guestMac(THIEF), TYPE.ip, packet, { to: next }),
    ]);
    try {
      host.ok('nft', 'flush', 'ruleset');
      await waitUntil('a forged packet where nobody is filtered', () => watch.count() > 0);
      let isOver = false;
      const lanes = Array.from({ length: LANES }, (_, n) => GUESTS.filter((domid) => domid % LANES === n));
      const storm = Promise.all(lanes.map((domids) => lane(stage, domids)));
      void storm.then(() => (isOver = true));
      while (!isOver) {
        host.ok('nft', 'flush', 'ruleset');
        const { status, stderr } = await host.startHook('xen-network', ['refilter']);
        const passed = watch.count();
        expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
        await sleep(20);
        expect(watch.count()).toBe(passed);
      }
      expect((await storm).flat()).toEqual([]);
    } finally {
      stop();
    }
    const after = filters();
    expect(host.hook('xen-network', ['refilter'])).toMatchObject({ status: 0, stderr: '' });
    expect(filters()).toEqual(after);
    for (const domid of [THIEF, ...GUESTS]) {
      expect({ domid, status: store.told(domid).status }).toEqual({ domid, status: 'connected' });
      expect((await call(stage, domid, 'offline')).status).toBe(0);
      expect((await call(stage, domid, 'online')).status).toBe(0);
    }
    expect(filters()).toEqual(after);
  },
);
