import { setTimeout as sleep } from 'node:timers/promises';
import { mac } from '../support/frames/packets.ts';
import { flood } from '../support/frames/wire.ts';
import type { Host } from '../support/hosts/host.ts';
import { NOBODY, type Probe, probesOf, toldToHost, watchersOf } from './forging.ts';
import type { Model } from './model.ts';

/** So often what has to arrive is waited for, and sent is what must not. */
const ENOUGH = 4;
const LIMIT_MS = 60_000;

const WATCH = `
add table netdev watch
delete table netdev watch
table netdev watch {
  set frames { type ether_addr; flags dynamic; counter; size 8192; }
  set packets { type ipv4_addr; flags dynamic; counter; size 8192; }
  set packets6 { type ipv6_addr; flags dynamic; counter; size 8192; }
  chain in {
    type filter hook ingress device eth0 priority 0;
    ether daddr & ff:ff:ff:00:00:00 == 02:f0:00:00:00:00 add @frames { ether daddr counter }
    ip daddr 198.18.0.0/15 add @packets { ip daddr counter }
    ip6 daddr 2001:db8:99::/64 add @packets6 { ip6 daddr counter }
  }
}
`;

/**
 * Lets all guests send frames of their own and all kinds of forged ones, and tells which of them fare otherwise than they
 * must.
 * @param host where
 * @param model what the host has to be like
 */
export async function wrongPackets(host: Host, model: Model): Promise<string[]> {
  const domids = Object.keys(model.guests).map(Number);
  if (domids.length === 0) return [];
  const watchers = watchersOf(model);
  for (const name of watchers) {
    const ran = host.netns(name).run(['nft', '-f', '-'], { input: WATCH });
    if (ran.status !== 0) throw new Error(`nft: ${ran.stderr}`);
  }
  const sent = domids.map((domid) => ({
    domid,
    probes: probesOf(model, domid, (other) => hostSide(host, model, other)),
    told: toldToHost(model, domid),
    before: sentBy(host, domid),
  }));
  const probes = sent.flatMap((each) => each.probes);
  const stops = sent.map(({ domid, probes: own, told }) => {
    const frames = [...own.map(({ frame }) => frame), ...told];
    return frames.length === 0 ? () => {} : flood(host, { netns: `guest${domid}`, device: 'eth0' }, frames);
  });
  const isAllSent = () =>
    sent.every(
      ({ domid, probes: own, told, before }) =>
        sentBy(host, domid) >= before + ENOUGH * (own.length + told.length),
    );
  let seen: Seen = new Map();
  let missing: string[] = [];
  try {
    for (const end = performance.now() + LIMIT_MS; ; await sleep(20)) {
      // What is sent by now is looked for after it.
      const isSent = isAllSent();
      seen = arrived(host, watchers);
      missing = probes.flatMap((probe) => missingOf(probe, seen));
      if ((missing.length === 0 && isSent) || performance.now() > end) break;
    }
    if (!isAllSent()) missing.push('Not all frames were sent in time.');
  } finally {
    for (const stop of stops) stop();
  }
  return [...missing, ...probes.flatMap((probe) => strayOf(probe, seen)), ...falseNeighbours(host)];
}

/** How often each watcher has seen each mark. */
type Seen = ReadonlyMap<string, ReadonlyMap<string, number>>;

function missingOf({ what, mark, to }: Probe, seen: Seen): string[] {
  return to
    .filter((watcher) => (seen.get(watcher)?.get(mark) ?? 0) < ENOUGH)
    .map((watcher) => `${what} does not come to ${watcher}`);
}

function strayOf({ what, mark, to }: Probe, seen: Seen): string[] {
  return [...seen]
    .filter(([watcher, marks]) => marks.has(mark) && !to.includes(watcher))
    .map(([watcher]) => `${what} comes to ${watcher}`);
}

/** The MAC address to which a guest sends what leaves its network. */
function hostSide(host: Host, model: Model, domid: number): string {
  const guest = model.guests[domid];
  const device = guest?.place === 'virtual' ? 'vmnet8' : guest?.vifname ? `web${domid}` : `vif${domid}.0`;
  const found = host.run(['cat', `/sys/class/net/${device}/address`]).stdout.trim();
  return found === '' ? mac('ff:ff:ff:ff:ff:ff') : found;
}

function arrived(host: Host, watchers: readonly string[]): Seen {
  return new Map(
    watchers.map((name) => {
      const listing = host.netns(name).ok('nft', 'list', 'table', 'netdev', 'watch');
      const marks = [...listing.matchAll(/([0-9a-f.:]+) counter packets (\d+)/g)];
      return [name, new Map(marks.map(([, mark = '', packets]) => [mark, Number(packets)]))];
    }),
  );
}

/** How many packets a guest's card has sent, whatever became of them. */
function sentBy(host: Host, domid: number): number {
  const shown = host.ok('ip', '-n', `guest${domid}`, '-s', '-j', 'link', 'show', 'dev', 'eth0');
  return Number(/"tx":\{"bytes":\d+,"packets":(\d+)/.exec(shown)?.[1] ?? 0);
}

/** What the host has come to believe of addresses that are nobody's. */
function falseNeighbours(host: Host): string[] {
  return host
    .ok('ip', 'neigh', 'show', 'nud', 'all')
    .split('\n')
    .filter((line) => line.startsWith(`${NOBODY.v4} `) || line.startsWith(`${NOBODY.v6} `))
    .filter((line) => line.includes(' lladdr '))
    .map((line) => `the host believes a guest: ${line}`);
}
