import { NO_RULES, ownerComment, type RuleSet, tableOf, vifForwardRules } from '../../filter/forward.ts';
import { untrackRules } from '../../filter/notrack.ts';
import { readBridgeRecords } from '../../observe/bridge/uplink.ts';
import {
  type ForwardDrop,
  forwardDrops,
  policyOwner,
  unfilterWords,
} from '../../observe/filter/forward-policy.ts';
import {
  droppedFamilies,
  filtersBridged,
  isAntispoofed,
  unrestrictedFamilies,
} from '../../observe/filter/rules.ts';
import { families } from '../../observe/host/host.ts';
import { cardPorts } from '../../observe/host/port.ts';
import { readSharedFile } from '../../observe/shared-settings.ts';
import { settingsOf, virtualHolder } from '../../record/shared-settings.ts';
import type { Family } from '../../request/addresses.ts';
import type { VifSettings } from '../../request/vif.ts';
import { remembering } from '../../system/remembering.ts';
import type { System } from '../../system/system.ts';
import type { VifRun } from './run.ts';

const SCOPE_LINK = '20';

/** A guest's device, and the bridge that it joins. */
export interface Joining {
  readonly port: string;
  readonly bridge: string;
  /** The strict filter covers the device. */
  readonly strict: boolean;
}

/**
 * The iptables rules of a bridged guest's device: those that accept its packets and, where tracking is not wanted,
 * those by which its packets bypass it. A guest under the strict filter only needs rules where somebody's FORWARD drops
 * the rest, since every rule there costs time for every packet of every guest.
 * @param run the call
 * @param settings the guest's settings
 * @param joining the device and its bridge
 */
export async function bridgedRules(
  { context, ...rest }: VifRun,
  settings: VifSettings,
  joining: Joining,
): Promise<RuleSet> {
  const system = remembering(context.system);
  const run: VifRun = { ...rest, context: { ...context, system } };
  const { addresses } = settings;
  const { port, strict } = joining;
  const asksForDrops = strict || !settings.filter;
  const drops = asksForDrops
    ? system.once(`drops of ${joining.bridge}`, () => forwardDrops(system, joining.bridge))
    : [];
  warnOfDrops(run, settings, joining, drops);
  await warnOfRouted(run, joining.bridge);
  if (!settings.filter) return NO_RULES;
  const owner = ownerComment(run.call, run.stored['domain']);
  const dropped = droppedFamilies(system, drops);
  const sources = sourcesOf(system, joining.bridge);
  if (strict) return limited(vifForwardRules(port, addresses, [4, 6], owner, sources), dropped);
  const pass = vifForwardRules(port, addresses, unrestrictedFamilies(system), owner, sources);
  const untracked = untrackedFamilies(run, settings, joining, pass);
  const untrack = untrackRules(port, isCardUntracked(system, joining) ? [] : addresses, untracked, owner);
  return { 4: [...pass[4], ...untrack[4]], 6: [...pass[6], ...untrack[6]] };
}

/**
 * Whether the strict filter makes a guest's frames bypass connection tracking. It excepts frames to the host's own MAC
 * addresses, so that nothing breaks where the host routes.
 * @param system the way to the records
 * @param settings the guest's settings
 */
export function untracksStrictly(system: System, settings: VifSettings): boolean {
  return settings.notrack === 'yes' || (settings.notrack === 'auto' && filtersBridged(system));
}

/**
 * Under antispoof=yes the ports of a bridge that are no guest's; the bridge's record names its card's. Without
 * antispoof packets from any port may reach a guest, as with the stock scripts.
 */
function sourcesOf(system: System, bridge: string): string[] | undefined {
  if (!isAntispoofed(system)) return undefined;
  const own = readBridgeRecords(system).find((record) => record.bridge === bridge)?.antispoof?.rules;
  if (own !== undefined) return own.flatMap((rule) => /^FORWARD .*--physdev-in (\S+) /.exec(rule)?.[1] ?? []);
  return cardPorts(system, bridge);
}

function limited(rules: RuleSet, kept: readonly Family[]): RuleSet {
  return { 4: kept.includes(4) ? rules[4] : [], 6: kept.includes(6) ? rules[6] : [] };
}

/**
 * The families in which packets need not be tracked: those that notrack=yes asks for, or those in which antispoof sends
 * bridged packets through iptables.
 */
function untrackedFamilies(run: VifRun, settings: VifSettings, joining: Joining, pass: RuleSet): Family[] {
  const { system, log } = run.context;
  if (settings.notrack === 'no' || (settings.notrack === 'auto' && !filtersBridged(system))) return [];
  const routed = routedFamilies(system, joining.bridge);
  // In both families, even if somebody has switched bridge-nf-call-* off meanwhile, since a refilter restores the
  // switches.
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

/**
 * Whether one rule of network-bridge covers all packets from the bridge's card, so that no guest needs rules for them.
 */
function isCardUntracked(system: System, { bridge }: Joining): boolean {
  const own = readBridgeRecords(system).find((record) => record.bridge === bridge);
  return own?.antispoof?.rules.some((rule) => tableOf(rule) === 'raw') === true;
}

/** The families in which the host itself may route packets from a bridge, and so may masquerade them. */
function routedFamilies(system: System, bridge: string): Family[] {
  const forwards = (family: Family) =>
    system.readText(`/proc/sys/net/ipv${family}/conf/${bridge}/forwarding`) === '1';
  return ([4, 6] as const).filter((family) => forwards(family) && hasAddress(system, bridge, family));
}

/**
 * Whether the host has an address on a bridge that is not link-local; in /proc/net/if_inet6 the scope stands before the
 * flags.
 */
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
        `(${policyOwner(system, chain)}). Let them pass (${rule}), or ${unfilterWords(system, bridge)}.`,
    );
  }
}

/** A bridge of network-virtual also routes packets to other networks. */
async function warnOfRouted({ context: { system, log } }: VifRun, bridge: string): Promise<void> {
  const sharedSettings = settingsOf(readSharedFile(system), virtualHolder(bridge));
  if (sharedSettings.length === 0) return;
  const { routedDropText, virtualDrops } = await import('../../observe/filter/routed-drops.ts');
  for (const drop of virtualDrops(system, bridge, sharedSettings))
    log.warn(routedDropText(system, bridge, drop));
}
