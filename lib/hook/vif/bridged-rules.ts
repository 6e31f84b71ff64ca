import { NO_RULES, ownerComment, type RuleSet, tableOf, vifForwardRules } from '../../filter/forward.ts';
import { untrackRules } from '../../filter/notrack.ts';
import { readBridgeRecords } from '../../observe/bridge/uplink.ts';
import {
  type ForwardDrop,
  forwardDrops,
  policyOwner,
  unfilterWords,
} from '../../observe/filter/forward-policy.ts';
import { filtersBridged, isAntispoofed, unrestrictedFamilies } from '../../observe/filter/rules.ts';
import { families } from '../../observe/host/host.ts';
import { readOwner } from '../../observe/host/port.ts';
import type { Family } from '../../request/addresses.ts';
import type { VifSettings } from '../../request/vif.ts';
import type { System } from '../../system/system.ts';
import type { VifRun } from './run.ts';

const SCOPE_LINK = '20';

/** The guest's device, and the bridge that it joins. */
export interface Joining {
  readonly port: string;
  readonly bridge: string;
  /** The strict filter holds the device. */
  readonly strict: boolean;
}

/**
 * The iptables rules that a bridged guest's device is to have: those that let its packets pass and, where tracking is
 * not wanted, those that keep them out of it. A guest under the strict filter needs none but where somebody's FORWARD
 * drops the rest: each rule there costs every packet of every guest.
 * @param run the call
 * @param settings the guest's settings
 * @param joining the device and its bridge
 */
export function bridgedRules(run: VifRun, settings: VifSettings, joining: Joining): RuleSet {
  const { system } = run.context;
  const { addresses } = settings;
  const { port, strict } = joining;
  const drops = strict || !settings.filter ? forwardDrops(system, joining.bridge) : [];
  warnOfDrops(run, settings, joining, drops);
  if (!settings.filter) return NO_RULES;
  const owner = ownerComment(run.call, run.stored['domain']);
  // What a started hook drops it drops again after a refilter, whatever somebody has done to FORWARD meanwhile.
  const dropped = filtersBridged(system) ? families(system) : familiesOf(drops);
  if (strict) return limited(vifForwardRules(port, addresses, [4, 6], owner), dropped);
  const sources = sourcesOf(system, joining.bridge);
  const pass = vifForwardRules(port, addresses, unrestrictedFamilies(system), owner, sources);
  const untracked = untrackedFamilies(run, settings, joining, pass);
  const untrack = untrackRules(port, isCardUntracked(system, joining) ? [] : addresses, untracked, owner);
  return { 4: [...pass[4], ...untrack[4]], 6: [...pass[6], ...untrack[6]] };
}

/**
 * Whether the strict filter is to keep a guest's frames out of connection tracking. It does so for frames that are not
 * the host's alone, so that nothing breaks where the host routes.
 * @param system the way to the records
 * @param settings the guest's settings
 */
export function untracksStrictly(system: System, settings: VifSettings): boolean {
  return settings.notrack === 'yes' || (settings.notrack === 'auto' && filtersBridged(system));
}

/**
 * The ports of a bridge that are no guest's, where antispoof=yes is on; its card's are noted with the bridge. Without
 * antispoof anybody's packets may reach a guest, as ever.
 */
function sourcesOf(system: System, bridge: string): string[] | undefined {
  if (!isAntispoofed(system)) return undefined;
  const own = readBridgeRecords(system).find((record) => record.bridge === bridge)?.antispoof?.rules;
  if (own !== undefined) return own.flatMap((rule) => /^FORWARD .*--physdev-in (\S+) /.exec(rule)?.[1] ?? []);
  return system
    .list(`/sys/class/net/${bridge}/brif`)
    .filter((name) => !/^(vif(?!0\.)|tap)\d/.test(name))
    .filter((name) => readOwner(system, name).alias?.startsWith('xen-network ') !== true);
}

function familiesOf(drops: readonly ForwardDrop[]): Family[] {
  return drops.filter(({ byIptables }) => byIptables).map(({ family }) => family);
}

function limited(rules: RuleSet, kept: readonly Family[]): RuleSet {
  return { 4: kept.includes(4) ? rules[4] : [], 6: kept.includes(6) ? rules[6] : [] };
}

/** Families that are tracked without need: by order, or because antispoof makes bridged packets pass iptables. */
function untrackedFamilies(run: VifRun, settings: VifSettings, joining: Joining, pass: RuleSet): Family[] {
  const { system, log } = run.context;
  if (settings.notrack === 'no' || (settings.notrack === 'auto' && !filtersBridged(system))) return [];
  const routed = routedFamilies(system, joining.bridge);
  // Of both families, whether or not somebody has switched bridge-nf-call-* off meanwhile: a refilter puts that back.
  if (settings.notrack === 'auto')
    return families(system).filter((family) => pass[family].length > 0 && !routed.includes(family));
  if (routed.length > 0) {
    log.warn(
      `notrack=yes keeps the packets of ${joining.port} out of connection tracking, but this host forwards for ` +
        `${joining.bridge}: where it masquerades or filters them by connections, they will not pass. Leave it to notrack=auto.`,
    );
  }
  return families(system);
}

/** What comes in by the bridge's card needs no rule for each guest, where network-bridge has made one for all. */
function isCardUntracked(system: System, { bridge }: Joining): boolean {
  const own = readBridgeRecords(system).find((record) => record.bridge === bridge);
  return own?.antispoof?.rules.some((rule) => tableOf(rule) === 'raw') === true;
}

/** Families in which the host itself may route, and so may masquerade, what comes from a bridge. */
function routedFamilies(system: System, bridge: string): Family[] {
  const forwards = (family: Family) =>
    system.readText(`/proc/sys/net/ipv${family}/conf/${bridge}/forwarding`) === '1';
  return ([4, 6] as const).filter((family) => forwards(family) && hasAddress(system, bridge, family));
}

/** Whether others than its neighbours can reach the host at a bridge; /proc/net/if_inet6 tells the scope before the flags. */
function hasAddress(system: System, bridge: string, family: Family): boolean {
  if (family === 4) return system.ipv4Addresses(bridge).length > 0;
  const lines = (system.readText('/proc/net/if_inet6') ?? '').split('\n').map((line) => line.split(/\s+/));
  return lines.some(([, , , scope, , name]) => name === bridge && scope !== SCOPE_LINK);
}

function warnOfDrops(
  run: VifRun,
  { filter }: VifSettings,
  { port, bridge }: Joining,
  drops: readonly ForwardDrop[],
): void {
  const { system, log } = run.context;
  for (const { chain, byIptables } of drops.filter((drop) => !filter || !drop.byIptables)) {
    const rule = byIptables
      ? 'leave filter=no out'
      : `add a rule there: iifname "${bridge}" oifname "${bridge}" accept`;
    log.warn(
      `${port} is cut off: bridged packets go through iptables, and the chain ${chain} drops what no rule lets pass ` +
        `(${policyOwner(system)}). Let them pass (${rule}), or ${unfilterWords(system, bridge)}.`,
    );
  }
}
