import { movedPending } from '../../apply/confirm.ts';
import { boundTo } from '../../observe/bridge/bound.ts';
import { readSpanningTree } from '../../observe/bridge/spanning-tree.ts';
import { managedByIfupdown } from '../../observe/bridge/uplink.ts';
import { forwardDrops, policyOwner, unfilterWords } from '../../observe/filter/forward-policy.ts';
import { readLedgerFile } from '../../observe/filter/ledger.ts';
import { readNatRecords } from '../../observe/forward/nat.ts';
import { type Link, observeHost } from '../../observe/host/host.ts';
import { readVifRecords } from '../../observe/records.ts';
import type { BridgeLayout } from '../../plan/bridge/layout.ts';
import { type AddressMove, followRecords, followSteps } from '../../plan/shared/moved-settings.ts';
import type { Step } from '../../plan/step.ts';
import type { Family } from '../../request/addresses.ts';
import type { BridgeRequest, SpanningTree, Topology } from '../../request/bridge.ts';
import type { System } from '../../system/system.ts';
import { listed } from '../../text.ts';
import type { Context } from '../context.ts';

/**
 * Warns about programs that are bound to a device by its index, and so do not follow its addresses to another device.
 * @param context the call
 * @param from the device that loses the addresses
 * @param to the name of the device that gets them
 */
export function warnOfBound({ system, log }: Context, from: Link, to: string): void {
  // ifupdown restarts its DHCP client itself.
  const bound = managedByIfupdown(system, from.name) ? [] : boundTo(system, from);
  if (bound.length === 0) return;
  log.warn(
    `What listens on ${from.name} itself hears nothing any more once the addresses are on another device, called ${to}, and has to be restarted then: ${listed(bound)}.`,
  );
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
    `The bridge ${bridge} was started without antispoof=strict, and stays as it is: its guests are not held. ` +
    'Stop it and start it again, or say antispoof=strict for each guest.'
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
  const forwards = ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding'].some(
    (path) => system.readText(`/proc/sys/${path}`) === '1',
  );
  return topology === 'classic' || !forwards;
}

/**
 * Warns where a policy of DROP in the administrator's firewall would drop packets between the ports of a new bridge.
 * @param context the call
 * @param layout the new bridge's names
 * @returns the families in which the host itself would become unreachable without rules of ours
 */
export function passForeignDrops({ system, log }: Context, { bridge }: BridgeLayout): Family[] {
  const drops = forwardDrops(system, bridge);
  // No warning for another started hook's policy: our rules let the packets pass.
  const isOurs = readLedgerFile(system).some(({ claim }) => claim.kind === 'policy');
  for (const { chain, byIptables } of isOurs ? [] : drops) {
    const what = byIptables
      ? 'Rules that let its card pass are put there, and vif-bridge adds those of each guest'
      : `Add a rule there (iifname "${bridge}" oifname "${bridge}" accept)`;
    log.warn(
      `Bridged packets go through iptables here, and the chain ${chain} drops what no rule lets pass (${policyOwner(system)}). ` +
        `${what}; or ${unfilterWords(system, bridge)}.`,
    );
  }
  return drops.filter(({ byIptables }) => byIptables).map(({ family }) => family);
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
