import { movedPending } from '../../apply/confirm.ts';
import { HostError } from '../../errors.ts';
import { boundTo } from '../../observe/bridge/bound.ts';
import { readSpanningTree } from '../../observe/bridge/spanning-tree.ts';
import { managedByIfupdown, readBridgeRecords } from '../../observe/bridge/uplink.ts';
import { forwardDrops, policyOwner, unfilterWords } from '../../observe/filter/forward-policy.ts';
import { droppedFamilies, filteredFamilies } from '../../observe/filter/rules.ts';
import { readNatRecords } from '../../observe/forward/nat.ts';
import { type Link, observeHost } from '../../observe/host/host.ts';
import { cardPorts } from '../../observe/host/port.ts';
import { readVifRecords } from '../../observe/records.ts';
import { readSharedFile, readSharedSettings } from '../../observe/shared-settings.ts';
import type { BridgeLayout } from '../../plan/bridge/layout.ts';
import type { StartFacts } from '../../plan/bridge/start-facts.ts';
import { cardRules, passageSettings } from '../../plan/filter/antispoof.ts';
import { type AddressMove, followRecords, followSteps } from '../../plan/shared/moved-settings.ts';
import { type Step, shareStep } from '../../plan/step.ts';
import { IP_FORWARD, IP6_FORWARD } from '../../record/paths.ts';
import { bridgeHolder, type SharedSetting, settingsOf } from '../../record/shared-settings.ts';
import type { Family } from '../../request/addresses.ts';
import type { BridgeRequest, SpanningTree, Topology } from '../../request/bridge.ts';
import type { Log } from '../../system/files/log.ts';
import type { System } from '../../system/system.ts';
import { listed } from '../../text.ts';
import type { Context } from '../context.ts';
import { wrappedSetting } from './wrapped.ts';

/**
 * Warns about programs that are bound to a device by its index, and so do not follow its addresses to another device.
 * @param context the call
 * @param from the device that loses the addresses
 * @param to the name of the device that gets them
 */
export function warnOfBound({ system, log }: Context, from: Link, to: string): void {
  // ifupdown restarts its DHCP client itself.
  const bound = managedByIfupdown(system, from.name) ? [] : boundOrUnknown(system, log, from);
  if (bound.length === 0) return;
  log.warn(
    `These listen on ${from.name} itself and will receive nothing once its addresses are on another device, called ${to}; restart them then: ${listed(bound)}.`,
  );
}

function boundOrUnknown(system: System, log: Log, from: Link): readonly string[] {
  try {
    return boundTo(system, from);
  } catch (thrown) {
    if (!(thrown instanceof HostError)) throw thrown;
    log.warn(`Which programs listen on ${from.name} itself is not known: ${thrown.message}`);
    return [];
  }
}

/**
 * The new state: "xenbr0 has peth0 and vif0.0; eth0 has 192.0.2.2/24."
 * @param system the way to the host
 * @param bridge the bridge's name
 * @param top the device with the host's addresses
 */
export function resultText(system: System, bridge: string, top: string): string {
  const { links } = observeHost(system);
  const ports = links.filter(({ master }) => master === bridge).map(({ name }) => name);
  const own = links.find(({ name }) => name === top)?.addresses ?? [];
  const addresses = own
    .filter(({ scope }) => scope !== 'link')
    .map(({ local, length }) => `${local}/${length}`);
  const held = `${top} has ${addresses.length === 0 ? 'no address' : listed(addresses)}.`;
  return ports.length === 0 ? held : `${bridge} has ${listed(ports)}; ${held}`;
}

/**
 * The warning that a running bridge does not filter its guests, though antispoof=strict was asked for.
 * @param bridge the bridge's name
 */
export function notStrict(bridge: string): string {
  return (
    `The bridge ${bridge} was started without antispoof=strict, and stays as it is: its guests are not filtered. ` +
    'Stop it and start it again, or say antispoof=strict for each guest.'
  );
}

/**
 * The warning that the guests of a running bridge are not counted, though account=yes was asked for.
 * @param bridge the bridge's name
 */
export function notCounted(bridge: string): string {
  return (
    `The bridge ${bridge} was started without account=yes, and stays as it is: the traffic of its guests is not counted. ` +
    'Stop it and start it again, or say account=yes for each guest.'
  );
}

/**
 * Whether a bridge takes part in the spanning tree as it was asked to.
 * @param system the way to the host
 * @param bridge the bridge's name
 * @param wanted undefined where nothing was asked for
 * @returns a sentence where it does not
 */
export function unspanned(system: System, bridge: string, wanted: SpanningTree | undefined): string[] {
  if (wanted === undefined || readSpanningTree(system, bridge).stp_state !== '0') return [];
  return [`${bridge} does not take part in the spanning tree, though stp=yes asks for it.`];
}

/**
 * Whether the card's bridged packets bypass connection tracking (docs/contract.md, "Filter rules"). The host's own
 * packets are excepted by their destination. But where the bridge has the host's addresses and the host forwards, it
 * may masquerade guests' packets, for which it must track connections.
 */
export function untracksCard(system: System, { notrack }: BridgeRequest, topology: Topology): boolean {
  if (notrack !== 'auto') return notrack === 'yes';
  const paths = [IP_FORWARD, IP6_FORWARD];
  // What a started hook holds counts whatever the setting is now: a refilter restores it.
  const forwards =
    paths.some((path) => system.readText(path) === '1') ||
    readSharedFile(system).some(
      ({ setting }) => setting.kind === 'setting' && paths.includes(setting.path) && setting.value === '1',
    );
  return topology === 'classic' || !forwards;
}

/**
 * Collects what a new bridge needs of the firewall.
 * @param context the call
 * @param request what was asked for
 * @param layout the new bridge's names
 * @returns facts for the plan, and warnings
 * @throws HostError when antispoof=yes and iptables does not work
 */
export function filterFacts(
  context: Context,
  request: BridgeRequest,
  layout: BridgeLayout,
): {
  readonly facts: Pick<StartFacts, 'filtered' | 'wrapped' | 'beside' | 'dropping'>;
  readonly warnings: readonly string[];
} {
  const { system } = context;
  if (!request.antispoof)
    return { facts: { filtered: undefined, dropping: passForeignDrops(context, layout) }, warnings: [] };
  const wrapped = wrappedSetting(system, layout.bridge, layout.nic);
  const filtered = filteredFamilies(system);
  const beside = besideSettings(system, layout.bridge, () => filtered);
  return { facts: { filtered, wrapped: wrapped.sharedSettings[0], beside }, warnings: wrapped.warnings };
}

/**
 * Warns where a policy of DROP in the administrator's firewall would drop packets between the ports of a new bridge.
 * @returns the families in which the host itself would become unreachable without rules of ours
 */
function passForeignDrops({ system, log }: Context, { bridge }: BridgeLayout): readonly Family[] {
  const drops = forwardDrops(system, bridge);
  // No warning for another started hook's policy: our rules let the packets pass.
  const isOurs = readSharedFile(system).some(({ setting }) => setting.kind === 'policy');
  for (const { chain, byIptables } of isOurs ? [] : drops) {
    const what = byIptables
      ? 'Rules that let its card pass are put there, and vif-bridge adds those of each guest'
      : `Add a rule there (iifname "${bridge}" oifname "${bridge}" accept)`;
    log.warn(
      `Bridged packets go through iptables here, and the chain ${chain} drops what no rule lets pass (${policyOwner(system, chain)}). ` +
        `${what}; or ${unfilterWords(system, bridge)}.`,
    );
  }
  return droppedFamilies(system, drops);
}

/**
 * The rules that a start which sets FORWARD's policy to DROP needs for the cards of other started bridges. In the classic
 * topology the host's own packets cross its bridge, and the start of that bridge may have needed no rules.
 * @param system the way to the records
 * @param bridge the bridge that is started; undefined for another hook than network-bridge
 * @param familiesOf the families in which FORWARD will drop a bridge's packets
 */
export function besideSettings(
  system: System,
  bridge: string | undefined,
  familiesOf: (bridge: string) => readonly Family[],
): SharedSetting[] {
  const others = readBridgeRecords(system).filter((record) => record.bridge !== bridge);
  return others.flatMap((other) =>
    passageSettings(familiesOf(other.bridge), cardRules(cardPorts(system, other.bridge))),
  );
}

/**
 * Steps that remove the rules which other starts hold for the card of a bridge, when that bridge is stopped.
 * @param system the way to the shared settings
 * @param bridge the bridge's name
 * @param ports the names of the ports that its start gave it: somebody may have removed the bridge
 */
export function leaveBeside(system: System, bridge: string, ports: readonly string[]): Step[] {
  const rules = cardRules([...new Set([...ports, ...cardPorts(system, bridge)])]);
  const isFor = (setting: SharedSetting) => setting.kind === 'rule' && rules.includes(setting.rule);
  const shared = readSharedSettings(system);
  const holders = new Set(shared.filter(({ setting }) => isFor(setting)).flatMap((held) => held.holders));
  holders.delete(bridgeHolder(bridge));
  return [...holders].map((holder) => {
    const held = settingsOf(shared, holder);
    return shareStep(
      holder,
      held,
      held.filter((setting) => !isFor(setting)),
    );
  });
}

/**
 * The steps by which everything that our hooks hold for a device moves together with its addresses.
 * @param system the way to the host
 * @param move the old and the new device
 */
export function followAddresses(system: System, move: AddressMove): Step[] {
  return [
    ...followSteps(readNatRecords(system), move),
    ...followRecords(readVifRecords(system), move),
    ...movedPending(system, move),
  ];
}
