// How much passes the bridge, with one guest's rules and with many guests'.

import { spawnSync } from 'node:child_process';
import { compiled } from './c-program.ts';
import { median } from './numbers.ts';
import { OUTSIDE, Stage } from './stage.ts';

/** How long a lane has its turn with each kind of traffic. */
const SLICE_MS = 25;
/** An address that is no guest's. */
const FORGED = '10.99.0.1';
/** Entries of xenstore are written by one program each time, whose arguments are limited. */
const VMS_AT_ONCE = 200;
const LONGEST_RUN_MS = 10 * 60_000;

/** A filter, as the benchmark sets it up for many guests at once. */
interface Filter {
  /** What our network-bridge is started with. */
  readonly start: readonly string[];
  /** Makes the rules of guests that are there. */
  readonly fill: (stage: Stage, domids: readonly number[]) => void;
}

const FILTERS = {
  none: { start: [], fill: passBy },
  strict: { start: ['antispoof=strict'], fill: refilterAside },
  // No filter at all, and counters of every guest.
  counted: { start: ['account=yes'], fill: countAside },
  compatible: { start: ['antispoof=yes'], fill: (stage) => stage.refilter() },
  stock: { start: ['antispoof=yes'], fill: copyStockRules },
} satisfies Readonly<Record<string, Filter>>;

export type FilterName = keyof typeof FILTERS;

/** A guest among others, all with their rules. */
export interface Lane {
  readonly filter: FilterName;
  readonly guests: number;
}

/** Medians of what one guest's traffic to the outside reached. */
export interface ThroughputResult extends Lane {
  /** Small UDP packets, as the guest's card sends them. */
  readonly packetsPerS: number;
  /** The part of them that did not arrive, of all rounds. */
  readonly lost: number;
  readonly tcpMbitPerS: number;
}

/**
 * Measures all lanes side by side: each has its turn in every round.
 * @param lanes filters and numbers of guests
 * @param rounds how often
 */
export async function measureThroughput(lanes: readonly Lane[], rounds: number): Promise<ThroughputResult[]> {
  const stages: Stage[] = [];
  try {
    for (const lane of lanes) stages.push(await prepare(lane));
    const said = send(
      lanes.map((lane, i) => laneLine(stages[i], middle(lane))),
      rounds,
    );
    return lanes.map((lane, i) => {
      const own = said.filter(([number]) => number === i);
      const packets = own.map(([, rate = Number.NaN]) => rate);
      const lost = own.reduce((sum, [, , some = 0]) => sum + some, 0);
      return {
        ...lane,
        packetsPerS: median(packets),
        lost: lost / (lost + packets.reduce((sum, rate) => sum + (rate * SLICE_MS) / 1000, 0)),
        tcpMbitPerS: median(own.map(([, , , bytes = Number.NaN]) => (bytes * 8) / 1e6)),
      };
    });
  } finally {
    for (const stage of stages) await stage.host.close();
  }
}

/** The guest that sends: half of the others' rules are before its own where rules are a list. */
function middle({ guests }: Lane): number {
  return Math.ceil(guests / 2);
}

/** A host with guests, of which one can send to the machine outside, and both know each other's MAC address. */
async function prepare(lane: Lane): Promise<Stage> {
  const { start, fill }: Filter = FILTERS[lane.filter];
  const stage = await Stage.create(start);
  stage.guests(1, lane.guests);
  fill(
    stage,
    Array.from({ length: lane.guests }, (_, i) => i + 1),
  );
  const sender = middle(lane);
  const [card, address] = [`g${sender}`, Stage.address(sender)];
  const outside = stage.host.netns('gw-eth0');
  stage.host
    .netns('guests')
    .ip(
      `link set ${card} address ${Stage.mac(sender)} up`,
      `address add ${address}/32 dev ${card}`,
      `address add ${FORGED}/32 dev ${card}`,
      `route add ${OUTSIDE} dev ${card}`,
      `neigh replace ${OUTSIDE} lladdr ${macOf(outside)} dev ${card} nud permanent`,
    );
  outside.ip(
    ...[address, FORGED].flatMap((each) => [
      `route add ${each} dev eth0`,
      `neigh replace ${each} lladdr ${Stage.mac(sender)} dev eth0 nud permanent`,
    ]),
  );
  const what = `With the filter ${lane.filter} and ${lane.guests} guests`;
  if (!isAnswered(stage, address, 20)) throw new Error(`${what} an honest guest's packets are dropped.`);
  if (lane.filter !== 'none' && lane.filter !== 'counted' && isAnswered(stage, FORGED, 2))
    throw new Error(`${what} packets from ${FORGED} pass, which is no guest's address.`);
  return stage;
}

/** Whether the machine outside answers one of some packets from an address. */
function isAnswered(stage: Stage, from: string, tries: number): boolean {
  const ping = ['ping', '-n', '-c', '1', '-W', '0.3', '-I', from, OUTSIDE];
  const guests = stage.host.netns('guests');
  return Array.from({ length: tries }).some(() => guests.run(ping).status === 0);
}

function macOf(outside: ReturnType<Stage['host']['netns']>): string {
  return /link\/ether (\S+)/.exec(outside.ok('ip', '-o', 'link', 'show', 'eth0'))?.[1] ?? '';
}

function laneLine(stage: Stage | undefined, sender: number): string {
  if (stage === undefined) return '';
  const netns = (name: string) => stage.host.path(`/run/netns/${name}`);
  const outside = stage.host.netns('gw-eth0');
  const words = [netns('guests'), `g${sender}`, Stage.mac(sender), netns('gw-eth0'), macOf(outside)];
  return [...words, Stage.address(sender), OUTSIDE].join(' ');
}

function send(lines: readonly string[], rounds: number): number[][] {
  const done = spawnSync(compiled('traffic'), [`${SLICE_MS}`, `${rounds}`], {
    input: lines.map((line) => `${line}\n`).join(''),
    encoding: 'utf8',
    timeout: LONGEST_RUN_MS,
  });
  if (done.status !== 0) throw new Error(`traffic failed (${done.status}): ${done.stderr}`);
  return done.stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
}

/** Bridged packets do not go through iptables, as on a host that needs no br_netfilter. */
function passBy(stage: Stage): void {
  const names = ['iptables', 'ip6tables', 'arptables'];
  const words = names.map((name) => `echo 0 >/proc/sys/net/bridge/bridge-nf-call-${name}`);
  stage.host.ok('sh', '-c', words.join(' && '));
}

function refilterAside(stage: Stage): void {
  passBy(stage);
  stage.refilter();
}

/** The counters are put in place by a refilter, for guests of which xenstore tells the uuid. */
function countAside(stage: Stage, domids: readonly number[]): void {
  for (let at = 0; at < domids.length; at += VMS_AT_ONCE) {
    const some = domids.slice(at, at + VMS_AT_ONCE).flatMap((id) => {
      const uuid = `6b1c3a0e-0000-4000-8000-${`${id}`.padStart(12, '0')}`;
      return [
        [`/local/domain/${id}/vm`, `/vm/${uuid}`],
        [`/vm/${uuid}/uuid`, uuid],
      ] as const;
    });
    stage.store.write(Object.fromEntries(some));
  }
  refilterAside(stage);
  const counted = stage.host.ok('nft', 'list', 'counters', 'table', 'netdev', 'xen_network_traffic');
  const count = [...counted.matchAll(/counter sent\//g)].length;
  if (count !== domids.length) throw new Error(`${count} of ${domids.length} guests are counted.`);
}

/** The rules that the stock script makes for one guest, and the same for all others. */
function copyStockRules(stage: Stage, domids: readonly number[]): void {
  const [first = 0] = domids;
  const { argv, env } = stage.call('stock', 'vif-bridge', 'online', first);
  const ran = stage.host.run(argv, { env });
  const listing = stage.host.ok('iptables', '-S', 'FORWARD').split('\n');
  const own = listing
    .filter((line) => line.includes(` vif${first}.0 `))
    .map((line) => line.slice('-A '.length));
  if (ran.status !== 0 || own.length === 0) throw new Error(`The stock script made no rules: ${ran.stderr}`);
  const rules = domids
    .slice(1)
    .flatMap((id) =>
      own
        .toReversed()
        .map(
          (rule) =>
            `-I ${rule.replace(` vif${first}.0 `, ` vif${id}.0 `).replace(Stage.address(first), Stage.address(id))}`,
        ),
    );
  const done = stage.host.run(['iptables-restore', '--noflush', '-w'], {
    input: ['*filter', ...rules, 'COMMIT', ''].join('\n'),
  });
  if (done.status !== 0) throw new Error(`iptables-restore failed: ${done.stderr}`);
}
