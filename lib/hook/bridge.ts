import { movedPending } from '../apply/confirm.ts';
import type { Family } from '../contract/addresses.ts';
import type { Values } from '../contract/arguments.ts';
import {
  BRIDGE_VARIABLES,
  type BridgeRequest,
  parseBridgeRequest,
  type Topology,
} from '../contract/bridge-request.ts';
import { bridgeUser, claimsOf } from '../contract/claims.ts';
import { listed } from '../contract/text.ts';
import { boundTo } from '../observe/bound.ts';
import { readKept } from '../observe/bridge-kept.ts';
import { forwardDrops, policyOwner, unfilterWords } from '../observe/forward-policy.ts';
import { type Link, observeHost } from '../observe/host.ts';
import { readLedger, readLedgerFile } from '../observe/ledger.ts';
import { readNatRecords } from '../observe/nat.ts';
import { readVifRecords } from '../observe/records.ts';
import { refuseNetworkRoot } from '../observe/root.ts';
import { filteredFamilies } from '../observe/rules.ts';
import { mustHaveNft } from '../observe/strict.ts';
import {
  defaultDevice,
  managedByIfupdown,
  otherOwners,
  readBridgeRecords,
  readSettings,
  usualCard,
} from '../observe/uplink.ts';
import { awaitCarrier, knownGateways, lostRoutes, missingAfter, muteGateways } from '../observe/verify.ts';
import { checkLayout, linkOf } from '../plan/bridge-check.ts';
import { findParts, mustBeWhole } from '../plan/bridge-found.ts';
import { type BridgeLayout, findBridged, findStarted, layoutOf } from '../plan/bridge-layout.ts';
import { planStart } from '../plan/bridge-start.ts';
import { planStop } from '../plan/bridge-stop.ts';
import { type AddressMove, followRecords, followSteps } from '../plan/moved-claims.ts';
import type { Step } from '../plan/step.ts';
import type { System } from '../system/system.ts';
import type { Context } from './context.ts';
import { printStatus } from './status.ts';
import { type NetworkHook, type NetworkWork, nothing, takeBackBy } from './transaction.ts';
import { firewallWords, NO_WORDS } from './void-rules.ts';
import { NOT_WRAPPED, wrappedClaim } from './wrapped.ts';

/** Bridges one of the host's network cards (docs/contract.md, "network-bridge start" and "network-bridge stop"). */
export const bridgeHook: NetworkHook = { variables: BRIDGE_VARIABLES, start, stop, status: printStatus };

function start(context: Context, values: Values): NetworkWork | undefined {
  const { system, log } = context;
  const request = parseBridgeRequest(values);
  if (request === undefined) return nothing(context, 'bridge=null asks for no bridge.');
  const state = observeHost(system);
  const asked = request.netdev ?? usualCard(state, request.vifnum);
  const running = findBridged(state, readBridgeRecords(system), asked, request.bridge);
  if (running !== undefined) {
    mustBeWhole(state, running);
    if (request.strict && running.strict !== true) log.warn(notStrict(running.bridge));
    return nothing(context, `${running.netdev} is on the bridge ${running.bridge} already.`);
  }
  const named = linkOf(state, asked);
  if (named.kind === 'bridge')
    return nothing(context, `${named.name} is a bridge already; guests can join it.`);
  const link = refuseNetworkRoot(system, state, named, request.netdev !== undefined);
  const layout = layoutOf(state, link, request);
  checkLayout(state, link, layout);
  const usual = defaultDevice(state);
  if (request.netdev === undefined && usual !== named.name)
    log.warn(
      `vifnum=${request.vifnum} means ${named.name}; the default route leads by ${usual}. Say netdev= where you mean another card.`,
    );
  const move = { from: link.name, to: layout.top };
  const firewall = firewallWords(system, move, request.force);
  for (const sentence of otherOwners(system, link.name, link.index)) log.warn(sentence);
  warnOfBound(context, link, layout.top);
  const gateways = knownGateways(system, state, link.name);
  const isThere = layout.top !== link.name && state.links.some(({ name }) => name === layout.top);
  if (request.strict) mustHaveNft(system);
  const wrapped = request.antispoof ? wrappedClaim(system, layout.bridge, layout.nic) : NOT_WRAPPED;
  const planned = planStart({
    state,
    link,
    layout,
    settings: readSettings(system, link.name),
    topSettings: readSettings(system, isThere ? layout.top : 'default'),
    ifupdown: managedByIfupdown(system, link.name),
    filtered: request.antispoof ? filteredFamilies(system) : undefined,
    wrapped: wrapped.claims[0],
    untracked: untracksCard(system, request, layout.topology),
    dropping: request.antispoof ? [] : passForeignDrops(context, layout),
    strict: request.strict,
  });
  const there = { ...move, wasBridge: false, isBridge: layout.top === layout.bridge };
  const plan = {
    steps: [...planned.steps, ...followAddresses(system, there)],
    warnings: [...planned.warnings, ...wrapped.warnings, ...firewall.warnings],
  };
  const verify = async () => {
    if (link.flags.has('LOWER_UP')) await awaitCarrier(system, layout.nic);
    return missingAfter(observeHost(system), state, link, layout.top, [[layout.nic, layout.bridge]]);
  };
  return {
    subject: layout.bridge,
    plan,
    refusal: firewall.refusal,
    verify,
    done: `${link.name} is on the bridge ${layout.bridge}.`,
    takeBack: takeBackBy('network-bridge', { netdev: layout.netdev, bridge: layout.bridge }),
    look: () => [
      ...lostRoutes(observeHost(system), state, link.name),
      ...muteGateways(system, gateways, layout.top),
    ],
    result: () => resultText(system, layout.bridge, layout.top),
  };
}

function stop(context: Context, values: Values): NetworkWork | undefined {
  const { system } = context;
  const request = parseBridgeRequest(values);
  if (request === undefined) return nothing(context, 'bridge=null asks for no bridge.');
  const state = observeHost(system);
  const records = readBridgeRecords(system);
  const fallback = usualCard(state, request.vifnum);
  const record = findStarted(state, records, request, fallback);
  if (record === undefined) {
    const what = request.netdev ?? request.bridge ?? fallback;
    return nothing(context, `${what} is not bridged by network-bridge; nothing to stop.`);
  }
  const parts = findParts(state, record);
  const { nic, bridge, top } = parts;
  const devices = [
    nic.name,
    'default',
    ...[bridge?.name, top?.name, top?.peer].filter((name) => name !== undefined),
  ];
  const planned = planStop({
    state,
    record,
    ...parts,
    settings: new Map(devices.map((name) => [name, readSettings(system, name)])),
    kept: readKept(system, state.links, record.bridge),
    held: claimsOf(readLedger(system), bridgeUser(record.bridge)),
  });
  if (top !== undefined) warnOfBound(context, top, record.netdev);
  const back = {
    from: top?.name ?? record.netdev,
    to: record.netdev,
    wasBridge: top?.kind === 'bridge',
    isBridge: false,
  };
  const move = { from: back.from, to: back.to, present: nic.name };
  const firewall = top === undefined ? NO_WORDS : firewallWords(system, move, request.force);
  // First, since only at a price can be made again what the last steps remove.
  const follow = top === undefined ? [] : followAddresses(system, back);
  const plan = {
    steps: [...follow, ...planned.steps],
    warnings: [...planned.warnings, ...firewall.warnings],
  };
  const verify = async () => {
    const name = record.topology === 'plain' ? nic.name : record.netdev;
    // The host's end of a pair has a carrier even where the card has none.
    if (record.wasUp && nic.flags.has('LOWER_UP')) await awaitCarrier(system, name);
    return record.wasUp && top !== undefined ? missingAfter(observeHost(system), state, top, name, []) : [];
  };
  const done = `${record.netdev} is off the bridge ${record.bridge}.`;
  const result = () => resultText(system, record.bridge, record.netdev);
  return {
    subject: record.bridge,
    plan,
    refusal: firewall.refusal,
    verify,
    done,
    result,
    takeBack: takeBackBy('network-bridge', { netdev: record.netdev, bridge: record.bridge }),
  };
}

/** What knows a device by its number cannot follow where the addresses go. */
function warnOfBound({ system, log }: Context, from: Link, to: string): void {
  // ifupdown starts its DHCP client anew.
  const bound = managedByIfupdown(system, from.name) ? [] : boundTo(system, from);
  if (bound.length === 0) return;
  log.warn(
    `What listens on ${from.name} itself hears nothing any more once the addresses are on another device, called ${to}, and has to be restarted then: ${listed(bound)}.`,
  );
}

/** "xenbr0 has peth0 and vif0.0; eth0 has 192.0.2.2/24." */
function resultText(system: System, bridge: string, top: string): string {
  const { links } = observeHost(system);
  const ports = links.filter(({ master }) => master === bridge).map(({ name }) => name);
  const own = links.find(({ name }) => name === top)?.addresses ?? [];
  const addresses = own
    .filter(({ scope }) => scope !== 'link')
    .map(({ local, length }) => `${local}/${length}`);
  const held = `${top} has ${addresses.length === 0 ? 'no address' : listed(addresses)}.`;
  return ports.length === 0 ? held : `${bridge} has ${listed(ports)}; ${held}`;
}

function notStrict(bridge: string): string {
  return (
    `The bridge ${bridge} was started without antispoof=strict, and stays as it is: its guests are not held. ` +
    'Stop it and start it again, or say antispoof=strict for each guest.'
  );
}

/**
 * The host's own packets are seen to by their destination; but where the bridge has the host's addresses and the host
 * forwards, it may masquerade guests' packets, which takes connections.
 */
function untracksCard(system: System, { notrack }: BridgeRequest, topology: Topology): boolean {
  if (notrack !== 'auto') return notrack === 'yes';
  const forwards = ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding'].some(
    (path) => system.readText(`/proc/sys/${path}`) === '1',
  );
  return topology === 'classic' || !forwards;
}

/** @returns the families in which rules of ours are needed for the host itself to stay reachable */
function passForeignDrops({ system, log }: Context, { bridge }: BridgeLayout): Family[] {
  const drops = forwardDrops(system, bridge);
  // What another started hook drops needs no word: the rules that are put there let pass what is to pass.
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

/** What our own hooks hold for a device follows its addresses. */
function followAddresses(system: System, move: AddressMove): Step[] {
  return [
    ...followSteps(readNatRecords(system), move),
    ...followRecords(readVifRecords(system), move),
    ...movedPending(system, move),
  ];
}
