import { setTimeout as sleep } from 'node:timers/promises';
import { type Hex, mac, PROTO, udp } from '../support/frames/packets.ts';
import { type Identity, ipv4Frame, ipv6Frame } from '../support/frames/sender.ts';
import { flood } from '../support/frames/wire.ts';
import type { Host } from '../support/hosts/host.ts';
import { guestMac } from '../support/hosts/strict-host.ts';
import { addressesOf } from './deeds.ts';
import { type Model, passageOf } from './model.ts';

/** Somebody else's addresses. */
const THIEVED = { v4: '192.0.2.66', v6: '2001:db8:66::66' };
/** How often an honest packet has arrived when those sent between the first and this one have, too. */
const ENOUGH = 20;
const LIMIT_MS = 60_000;
const GATEWAYS = ['gw-eth0', 'gw-eth1'] as const;

/** Whom nobody else sends to: by the guest, and by whether its packets are honest. */
const preyOf = (domid: number, isHonest: boolean) => ({
  v4: `203.0.113.${domid + (isHonest ? 0 : 100)}`,
  v6: `2001:db8:99::${domid + (isHonest ? 0 : 100)}`,
});

const WATCH = `
add table netdev watch
delete table netdev watch
table netdev watch {
  set seen4 { type ipv4_addr; flags dynamic; counter; size 1024; }
  set seen6 { type ipv6_addr; flags dynamic; counter; size 1024; }
  chain in {
    type filter hook ingress device eth0 priority 0;
    ip daddr 203.0.113.0/24 add @seen4 { ip daddr counter }
    ip6 daddr 2001:db8:99::/64 add @seen6 { ip6 daddr counter }
  }
}
`;

/**
 * Lets all guests send packets of their own and forged ones, and tells which of them fare otherwise than they must.
 * @param host where
 * @param model what the host has to be like
 */
export async function wrongPackets(host: Host, model: Model): Promise<string[]> {
  const domids = Object.keys(model.guests).map(Number);
  const honest = domids.filter((domid) => passageOf(model, domid).honest === true);
  if (domids.length === 0) return [];
  for (const name of GATEWAYS) {
    const ran = host.netns(name).run(['nft', '-f', '-'], { input: WATCH });
    if (ran.status !== 0) throw new Error(`nft: ${ran.stderr}`);
  }
  const before = new Map(domids.map((domid) => [domid, sentBy(host, domid)]));
  const stops = domids.map((domid) =>
    flood(host, { netns: `guest${domid}`, device: 'eth0' }, framesOf(host, model, domid)),
  );
  let seen = new Map<string, number>();
  let missing: string[] = [];
  try {
    for (const end = performance.now() + LIMIT_MS; ; await sleep(20)) {
      seen = arrived(host);
      missing = honest
        .flatMap((domid) => preysOf(model, domid, true))
        .filter((prey) => (seen.get(prey) ?? 0) < ENOUGH);
      const isSent = domids.every((domid) => sentBy(host, domid) >= (before.get(domid) ?? 0) + ENOUGH);
      if ((missing.length === 0 && isSent) || performance.now() > end) break;
    }
  } finally {
    for (const stop of stops) stop();
  }
  const refused = domids.flatMap((domid) => [
    ...(passageOf(model, domid).honest === false ? preysOf(model, domid, true) : []),
    ...(passageOf(model, domid).forged === false ? preysOf(model, domid, false) : []),
  ]);
  const through = refused.filter((prey) => seen.has(prey));
  return [
    ...missing.map((prey) => `an honest packet to ${prey} does not arrive`),
    ...through.map((prey) => `a packet to ${prey} arrives that must not`),
  ];
}

/** The targets of a guest's packets in each of its families. */
function preysOf(model: Model, domid: number, isHonest: boolean): string[] {
  const guest = model.guests[domid];
  if (guest === undefined) return [];
  const prey = preyOf(domid, isHonest);
  const { nat, route } = model.networks;
  // network-virtual forwards IPv4 alone.
  const hasIpv6 = guest.place === 'bridged' || nat !== undefined || route !== undefined;
  const isSent = addressesOf(domid, guest.place).v6 !== undefined;
  return isHonest && hasIpv6 && isSent ? [prey.v4, prey.v6] : [prey.v4];
}

function framesOf(host: Host, model: Model, domid: number): Hex[] {
  const guest = model.guests[domid];
  if (guest === undefined) return [];
  const { v4, v6 = '' } = addressesOf(domid, guest.place);
  const self: Identity = { mac: guestMac(domid), v4, v6 };
  const to = guest.place === 'bridged' ? 'ff:ff:ff:ff:ff:ff' : hostSide(host, model, domid);
  const [own, false_] = [preyOf(domid, true), preyOf(domid, false)];
  const four = (from: string, target: string) =>
    ipv4Frame(self, { from, to: target, proto: PROTO.udp }, udp(1000, 2000), { to });
  const six = (from: string, target: string) =>
    ipv6Frame(self, { from, to: target, next: PROTO.udp }, udp(1000, 2000), { to });
  return [
    four(THIEVED.v4, false_.v4),
    six(THIEVED.v6, false_.v6),
    four(v4, own.v4),
    ...(v6 === '' ? [] : [six(v6, own.v6)]),
  ];
}

/** The MAC address to which a guest sends what leaves its network. */
function hostSide(host: Host, model: Model, domid: number): string {
  const guest = model.guests[domid];
  const device = guest?.place === 'virtual' ? 'vmnet8' : guest?.vifname ? `web${domid}` : `vif${domid}.0`;
  const found = host.run(['cat', `/sys/class/net/${device}/address`]).stdout.trim();
  return found === '' ? mac('ff:ff:ff:ff:ff:ff') : found;
}

/** How many packets have come to each target. */
function arrived(host: Host): Map<string, number> {
  const found = GATEWAYS.flatMap((name) => {
    const listing = host.netns(name).ok('nft', 'list', 'table', 'netdev', 'watch');
    return [...listing.matchAll(/([0-9a-f.:]+) counter packets (\d+)/g)];
  });
  return new Map(found.map(([, address = '', packets]) => [address, Number(packets)]));
}

/** How many packets a guest's card has sent, whatever became of them. */
function sentBy(host: Host, domid: number): number {
  const shown = host.ok('ip', '-n', `guest${domid}`, '-s', '-j', 'link', 'show', 'dev', 'eth0');
  return Number(/"tx":\{"bytes":\d+,"packets":(\d+)/.exec(shown)?.[1] ?? 0);
}
