import type { Context, NetworkHook, NetworkWork } from '../lib/hook/context.ts';
import {
  filterFacts,
  followAddresses,
  leaveBeside,
  notCounted,
  notStrict,
  resultText,
  unspanned,
  untracksCard,
  warnOfBound,
} from '../lib/hook/network/bridge.ts';
import { runNetworkHook } from '../lib/hook/network/network.ts';
import { printStatus } from '../lib/hook/network/status.ts';
import { nothing, takeBackBy } from '../lib/hook/network/transaction.ts';
import { firewallWords, NO_WORDS } from '../lib/hook/network/void-rules.ts';
import { readKept } from '../lib/observe/bridge/kept.ts';
import { refuseNetworkRoot } from '../lib/observe/bridge/root.ts';
import { readSpanningTree } from '../lib/observe/bridge/spanning-tree.ts';
import {
  defaultDevice,
  managedByIfupdown,
  otherOwners,
  readBridgeRecords,
  readSettings,
  usualCard,
} from '../lib/observe/bridge/uplink.ts';
import {
  awaitCarrier,
  knownGateways,
  lostRoutes,
  missingAfter,
  muteGateways,
} from '../lib/observe/bridge/verify.ts';
import { mustHaveNft } from '../lib/observe/filter/strict.ts';
import { type HostState, type Link, observeHost } from '../lib/observe/host/host.ts';
import { readSharedSettings } from '../lib/observe/shared-settings.ts';
import { checkLayout, linkOf } from '../lib/plan/bridge/check.ts';
import { findParts, mustBeWhole } from '../lib/plan/bridge/found.ts';
import { type BridgeLayout, findBridged, findStarted, layoutOf } from '../lib/plan/bridge/layout.ts';
import { planStart } from '../lib/plan/bridge/start.ts';
import type { StartFacts } from '../lib/plan/bridge/start-facts.ts';
import { planStop } from '../lib/plan/bridge/stop.ts';
import { bridgeHolder, settingsOf } from '../lib/record/shared-settings.ts';
import type { Values } from '../lib/request/arguments.ts';
import { BRIDGE_VARIABLES, type BridgeRequest, parseBridgeRequest } from '../lib/request/bridge.ts';

/** network-bridge: its variables and commands. */
export const bridgeHook: NetworkHook = { variables: BRIDGE_VARIABLES, start, stop, status: printStatus };

/** Bridges one of the host's network cards (docs/contract.md, "network-bridge start" and "network-bridge stop"). */
export function networkBridge(context: Context): Promise<number> {
  return runNetworkHook(context, bridgeHook);
}

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
    if (request.account && running.account !== true) log.warn(notCounted(running.bridge));
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
  if (request.strict) mustHaveNft(system);
  const filter = filterFacts(context, request, layout);
  const planned = planStart({
    ...factsOf(context, request, state, link, layout),
    ...filter.facts,
  });
  const there = { ...move, wasBridge: false, isBridge: layout.top === layout.bridge };
  const plan = {
    steps: [...planned.steps, ...followAddresses(system, there)],
    warnings: [...planned.warnings, ...filter.warnings, ...firewall.warnings],
  };
  const verify = async () => {
    if (link.flags.has('LOWER_UP')) await awaitCarrier(system, layout.nic);
    return [
      ...missingAfter(observeHost(system), state, link, layout.top, [[layout.nic, layout.bridge]]),
      ...unspanned(system, layout.bridge, request.spanningTree),
    ];
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

function factsOf(
  { system }: Context,
  request: BridgeRequest,
  state: HostState,
  link: Link,
  layout: BridgeLayout,
): Omit<StartFacts, 'filtered'> {
  const isThere = layout.top !== link.name && state.links.some(({ name }) => name === layout.top);
  return {
    state,
    link,
    layout,
    settings: readSettings(system, link.name),
    topSettings: readSettings(system, isThere ? layout.top : 'default'),
    ifupdown: managedByIfupdown(system, link.name),
    untracked: untracksCard(system, request, layout.topology),
    strict: request.strict,
    account: request.account,
    spanningTree: { wanted: request.spanningTree, now: readSpanningTree(system, layout.bridge) },
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
    kept: readKept(system, state.links, bridge?.name ?? record.bridge, context.log.warn),
    held: settingsOf(readSharedSettings(system), bridgeHolder(record.bridge)),
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
  // These steps come first, since the last steps remove devices that an undo can only make again at a cost.
  const follow = top === undefined ? [] : followAddresses(system, back);
  const ports = [record.nic, ...(top?.peer === undefined ? [] : [top.peer])];
  const plan = {
    steps: [...follow, ...planned.steps, ...leaveBeside(system, record.bridge, ports)],
    warnings: [...planned.warnings, ...firewall.warnings],
  };
  const verify = async () => {
    const name = record.topology === 'plain' ? nic.name : record.netdev;
    // The host's end of a veth pair has a carrier even where the card has none.
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
