import { type Values, wholeNumber, yesOrNo } from '../lib/contract/arguments.ts';
import { deviceName } from '../lib/contract/names.ts';
import { quote } from '../lib/contract/text.ts';
import { HostError, RequestError } from '../lib/errors.ts';
import type { Context } from '../lib/hook/context.ts';
import { type NetworkWork, runNetworkHook } from '../lib/hook/network.ts';
import { printStatus } from '../lib/hook/status.ts';
import { type HostState, type Link, observeHost } from '../lib/observe/host.ts';
import { refuseNetworkRoot } from '../lib/observe/root.ts';
import { observeForward } from '../lib/observe/rules.ts';
import {
  defaultDevice,
  managedByIfupdown,
  otherOwners,
  readBridgeRecords,
  readSettings,
  type Topology,
} from '../lib/observe/uplink.ts';
import { awaitCarrier, missingAfter } from '../lib/observe/verify.ts';
import { type BridgeRequest, checkLayout, findBridged, layoutOf } from '../lib/plan/bridge-layout.ts';
import { planStart } from '../lib/plan/bridge-start.ts';
import { planStop } from '../lib/plan/bridge-stop.ts';

const VARIABLES = ['netdev', 'bridge', 'vifnum', 'topology', 'antispoof'];
const TOPOLOGIES: readonly Topology[] = ['classic', 'rename', 'plain'];

/** Bridges one of the host's network cards: contract 4, network-bridge. */
export function networkBridge(context: Context): Promise<number> {
  return runNetworkHook(context, { variables: VARIABLES, start, stop, status: printStatus });
}

function start(context: Context, values: Values): NetworkWork | undefined {
  const { system, log } = context;
  const state = observeHost(system);
  const request = requestOf(values, state);
  if (request === undefined) return undefined;
  const records = readBridgeRecords(system);
  const running = findBridged(state, records, request);
  if (running !== undefined)
    return nothing(context, `${running.netdev} is on the bridge ${running.bridge} already.`);
  const given = linkOf(state, request.netdev);
  if (given.kind === 'bridge')
    return nothing(context, `${given.name} is a bridge already; guests can join it.`);
  const link = refuseNetworkRoot(system, state, given, values['netdev'] !== undefined);
  const layout = layoutOf(link, { ...request, netdev: link.name });
  checkLayout(state, link, layout);
  for (const sentence of otherOwners(system, link.name, link.index)) log.warn(sentence);
  const plan = planStart({
    state,
    link,
    layout,
    settings: readSettings(system, link.name),
    topSettings: readSettings(
      system,
      state.links.some(({ name }) => name === layout.top && name !== link.name) ? layout.top : 'default',
    ),
    ifupdown: managedByIfupdown(system, link.name),
    forward: request.antispoof ? observeForward(system) : undefined,
  });
  const verify = async () => {
    if (link.flags.has('LOWER_UP')) await awaitCarrier(system, layout.nic);
    return missingAfter(observeHost(system), state, link, layout.top, [[layout.nic, layout.bridge]]);
  };
  return { plan, verify, done: `${link.name} is on the bridge ${layout.bridge}.` };
}

function stop(context: Context, values: Values): NetworkWork | undefined {
  const { system } = context;
  const state = observeHost(system);
  const request = requestOf(values, state);
  if (request === undefined) return undefined;
  const records = readBridgeRecords(system);
  const record = findBridged(state, records, request);
  if (record === undefined)
    return nothing(
      context,
      `${request.bridge ?? request.netdev} is not bridged by network-bridge; nothing to stop.`,
    );
  const top = linkOf(state, record.topology === 'classic' ? record.netdev : record.bridge);
  const plan = planStop({
    state,
    record,
    top,
    nic: linkOf(state, record.nic),
    bridge: linkOf(state, record.bridge),
    topSettings: readSettings(system, top.name),
    nicSettings: readSettings(system, record.nic),
    forward: record.antispoof === undefined ? undefined : observeForward(system),
    others: records.filter((other) => other.bridge !== record.bridge),
  });
  const verify = async () => {
    if (record.wasUp && top.flags.has('LOWER_UP')) await awaitCarrier(system, record.netdev);
    return record.wasUp ? missingAfter(observeHost(system), state, top, record.netdev, []) : [];
  };
  return { plan, verify, done: `${record.netdev} is off the bridge ${record.bridge}.` };
}

function requestOf(values: Values, state: HostState): BridgeRequest | undefined {
  const { bridge, netdev, topology } = values;
  if (bridge === 'null') return undefined;
  const known = TOPOLOGIES.find((word) => word === topology);
  if (topology !== undefined && known === undefined)
    throw new RequestError(`topology is ${quote(topology)}; say classic, rename or plain.`);
  return {
    netdev: netdev === undefined ? defaultDevice(state) : deviceName(netdev, 'netdev'),
    bridge: bridge === undefined ? undefined : deviceName(bridge, 'bridge'),
    vifnum: wholeNumber(values, 'vifnum', 0, 99_999),
    topology: known,
    antispoof: yesOrNo(values, 'antispoof', false),
  };
}

function linkOf(state: HostState, name: string): Link {
  const link = state.links.find((other) => other.name === name);
  if (link !== undefined) return link;
  const names = state.links.map((other) => other.name).filter((other) => other !== 'lo');
  throw new HostError(
    `There is no device ${name}. The devices of this host are ${names.join(', ')}; name one by netdev=.`,
  );
}

function nothing(context: Context, sentence: string): undefined {
  context.log.info(sentence);
}
