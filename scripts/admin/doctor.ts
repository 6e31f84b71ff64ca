import { pendingRuns } from '../../lib/apply/confirm.ts';
import { journalKeys } from '../../lib/apply/journal.ts';
import { tried } from '../../lib/desk/check/finding.ts';
import type { Complaint, DoctorFacts } from '../../lib/desk/doctor/complaint.ts';
import { diagnose, type Hop, isGuest, wayOf } from '../../lib/desk/doctor/doctor.ts';
import { type HostMap, hostMap, type MapFacts } from '../../lib/desk/map/map.ts';
import { HostError } from '../../lib/errors.ts';
import type { Context } from '../../lib/hook/context.ts';
import { goneDevices } from '../../lib/hook/guests/leftovers.ts';
import { listAllRules, rulesIn } from '../../lib/hook/guests/refilter-records.ts';
import { SCRIPTS } from '../../lib/hook/scripts.ts';
import { type BridgeRecord, otherOwners } from '../../lib/observe/bridge/uplink.ts';
import { switchRuns } from '../../lib/observe/desk/facts.ts';
import { observeHolders } from '../../lib/observe/dhcp/dhcp.ts';
import { forwardDrops } from '../../lib/observe/filter/forward-policy.ts';
import { readNatRecords } from '../../lib/observe/forward/nat.ts';
import type { VirtualRecord } from '../../lib/observe/forward/virtual.ts';
import { readHookLinks } from '../../lib/observe/host/hook-links.ts';
import type { HostState } from '../../lib/observe/host/host.ts';
import { readSharedFile } from '../../lib/observe/shared-settings.ts';
import { damageOf } from '../../lib/plan/bridge/found.ts';
import { hookState } from '../../lib/plan/hook-links.ts';
import type { System } from '../../lib/system/system.ts';
import { listed, quote } from '../../lib/text.ts';
import { readMapFacts } from './status.ts';
import { table } from './table.ts';

const SETTINGS = [
  'net/ipv4/ip_forward',
  'net/ipv6/conf/all/forwarding',
  'net/netfilter/nf_conntrack_count',
  'net/netfilter/nf_conntrack_max',
];
const COULD_NOT_LOOK = 2;

/**
 * Looks for what is wrong with the host's networks and guests, and says what to do; of one guest also the way of its
 * packets.
 * @param context the call
 * @param guest a guest's name or domain; undefined for all
 * @param json as JSON, for programs
 * @returns 0; 1 where something was found
 * @throws HostError where there is no such guest, or the host cannot be looked at
 */
export async function doctor(context: Context, guest: string | undefined, json: boolean): Promise<number> {
  const { system } = context;
  const facts = await readDoctorFacts(context);
  const map = hostMap(facts);
  const all = diagnose(facts, map);
  const { found, way } =
    guest === undefined ? { found: all, way: undefined } : ofGuest(system, facts, map, all, guest);
  if (json) {
    const { host } = facts;
    context.print(`${JSON.stringify({ version: 1, host, found, way }, null, 2)}\n`);
  } else {
    context.print(textOf(found, way ?? []));
  }
  return found.length === 0 ? 0 : 1;
}

/** What concerns a guest, and the way of its packets. */
function ofGuest(
  system: System,
  facts: DoctorFacts,
  map: HostMap,
  all: readonly Complaint[],
  guest: string,
): { readonly found: readonly Complaint[]; readonly way: readonly Hop[] } {
  const names = facts.guests.filter((card) => isGuest(card, guest)).map((card) => card.guest);
  if (names.length === 0)
    throw new HostError(
      `There is no guest ${quote(guest)} with a network card. "xl list" shows the guests that run.`,
      { exitCode: COULD_NOT_LOOK },
    );
  return {
    found: all.filter((one) => one.guest === undefined || names.includes(one.guest)),
    way: wayOf(map, guest, (device) => countersOf(system, device)),
  };
}

function textOf(found: readonly Complaint[], way: readonly Hop[]): string {
  const hops = way.map(({ device, what, received, sent, dropped }) => [
    device,
    what,
    `${received}`,
    `${sent}`,
    `${dropped}`,
  ]);
  const shown =
    hops.length === 0 ? '' : `${table([['DEVICE', 'IS', 'RECEIVED', 'SENT', 'DROPPED'], ...hops])}\n`;
  if (found.length === 0) return `${shown}Nothing was found that is wrong.\n`;
  const errors = found.filter(({ level }) => level === 'error').length;
  const lines = found.map(({ level, topic, text }) => `${level} (${topic}): ${text}\n`);
  const count = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`;
  return `${shown}${lines.join('')}${count(errors, 'error')}, ${count(found.length - errors, 'warning')}.\n`;
}

function countersOf(system: System, device: string): Omit<Hop, 'device' | 'what'> {
  const read = (file: string) => Number(system.readText(`/sys/class/net/${device}/statistics/${file}`) ?? 0);
  return {
    received: read('rx_packets'),
    sent: read('tx_packets'),
    dropped: read('rx_dropped') + read('tx_dropped'),
  };
}

async function readDoctorFacts(context: Context): Promise<DoctorFacts> {
  const { system } = context;
  const facts = await readMapFacts(context);
  const { state } = facts;
  const bridged = state.links.filter(({ kind }) => kind === 'bridge').map(({ name }) => name);
  const dropping = bridged.map(
    (name) =>
      [
        name,
        forwardDrops(system, name)
          .filter(({ byIptables }) => !byIptables)
          .map(({ chain }) => chain),
      ] as const,
  );
  return {
    ...facts,
    damages: facts.bridges.flatMap((record) => damageText(state, record)),
    settings: Object.fromEntries(
      SETTINGS.flatMap((path) => {
        const value = system.readText(`/proc/sys/${path}`)?.trim();
        return value === undefined ? [] : [[path, value]];
      }),
    ),
    owners: ownersOf(system, facts),
    hooks: hooksOf(context),
    leftovers: goneDevices(system),
    interrupted: journalKeys(system),
    pending: pendingRuns(system).map(({ id, remainingMs }) => ({
      id,
      seconds: Math.ceil(remainingMs / 1000),
    })),
    dropping: new Map(dropping.filter(([, chains]) => chains.length > 0)),
    missingRules: missingRules(system, facts.records),
    masqueraded: readSharedFile(system).flatMap(({ setting }) =>
      setting.kind === 'rule' && /MASQUERADE$/.test(setting.rule) ? [setting.rule] : [],
    ),
    idleServers: idleServers(system, facts.virtuals),
    switchRuns: switchRuns(system),
  };
}

function damageText(state: HostState, record: BridgeRecord): string[] {
  const found = tried(() => damageOf(state, record));
  if ('sentence' in found) return [found.sentence];
  return found.value === undefined ? [] : [`Of ${record.bridge}, ${found.value}.`];
}

/** Of cards and bridges that our hooks started, and of guests' devices. */
function ownersOf(system: System, { bridges, guests, state }: MapFacts): string[] {
  const started = bridges.flatMap(({ bridge, nic, netdev }) => [bridge, nic, netdev]);
  const devices = new Set([...started, ...guests.flatMap((one) => one.devices.map(({ name }) => name))]);
  return state.links
    .filter(({ name }) => devices.has(name))
    .flatMap(({ name, index }) => otherOwners(system, name, index));
}

/** The hooks that are not this program, by how they stand. */
function hooksOf({ system, hooks }: Context): Record<string, string> {
  const program = system.linkTarget('/proc/self/exe') ?? '';
  const links = readHookLinks(system, { root: '', folder: SCRIPTS, program, hooks: Object.keys(hooks) });
  const states = new Map<string, string[]>();
  for (const place of links.places) {
    const state = hookState(place);
    if (place.what !== 'ours' && state !== 'missing')
      states.set(state, [...(states.get(state) ?? []), place.name]);
  }
  return Object.fromEntries([...states].map(([state, names]) => [state, listed(names)]));
}

function missingRules(system: System, records: DoctorFacts['records']): Map<string, string[]> {
  if ([...records.values()].every(({ rules }) => rules[4].length + rules[6].length === 0)) return new Map();
  const inPlace = listAllRules(system);
  const missing = [...records].map(([device, { rules }]) => {
    const there = rulesIn(inPlace, device);
    const lacking = ([4, 6] as const).flatMap((family) =>
      rules[family].filter((rule) => !there[family].includes(rule)),
    );
    return [device, lacking] as const;
  });
  return new Map(missing.filter(([, lacking]) => lacking.length > 0));
}

/** Started networks whose DHCP server does not run. */
function idleServers(system: System, virtuals: readonly VirtualRecord[]): string[] {
  const started = [
    ...readNatRecords(system).map(({ netdev, dhcp }) => ({ hook: `network-nat on ${netdev}`, dhcp })),
    ...virtuals.map(({ bridge, dhcp }) => ({ hook: `network-virtual on ${bridge}`, dhcp })),
  ];
  return started.flatMap(({ hook, dhcp }) => {
    if (dhcp === undefined) return [];
    // dnsmasq has nothing to do as long as there is no guest.
    const needed = observeHolders(system, dhcp).filter(
      (found) => found.server === 'dhcpd' || found.files.size > 0,
    );
    return needed.length > 0 && needed.every(({ running }) => !running)
      ? [`${dhcp.server} does not run, though ${hook} serves DHCP by it. Look at its log, and start it.`]
      : [];
  });
}
