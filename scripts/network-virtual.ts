import type { Context, NetworkHook, NetworkWork } from '../lib/hook/context.ts';
import { besideSettings, unspanned } from '../lib/hook/network/bridge.ts';
import { type DhcpChange, startBridgeDhcp, stopBridgeDhcp } from '../lib/hook/network/bridge-dhcp.ts';
import { runNetworkHook } from '../lib/hook/network/network.ts';
import { holdShared, letGoShared, unmetSettings } from '../lib/hook/network/shared-settings.ts';
import { printStatus } from '../lib/hook/network/status.ts';
import { nothing, takeBackBy } from '../lib/hook/network/transaction.ts';
import { NOT_WRAPPED, wrappedSetting } from '../lib/hook/network/wrapped.ts';
import { readKept } from '../lib/observe/bridge/kept.ts';
import { readSpanningTree } from '../lib/observe/bridge/spanning-tree.ts';
import { defaultDevice, readSettings } from '../lib/observe/bridge/uplink.ts';
import { readResolver } from '../lib/observe/dhcp/server.ts';
import { routedDropText, virtualDrops } from '../lib/observe/filter/routed-drops.ts';
import { mustHaveNft } from '../lib/observe/filter/strict.ts';
import { readListening, readPaths } from '../lib/observe/forward/forwarding.ts';
import { readVirtualRecords, type VirtualRecord } from '../lib/observe/forward/virtual.ts';
import { families, type HostState, type Link, observeHost } from '../lib/observe/host/host.ts';
import { outsideLink } from '../lib/plan/bridge/check.ts';
import { bridgeFilterSettings } from '../lib/plan/filter/antispoof.ts';
import { forwardingSettings } from '../lib/plan/forward.ts';
import type { Plan } from '../lib/plan/step.ts';
import { routerSettingPaths } from '../lib/plan/unheard.ts';
import { checkVirtual } from '../lib/plan/virtual/check.ts';
import {
  FORM_WORDS,
  planVirtualStart,
  type VirtualStart,
  virtualSettings,
} from '../lib/plan/virtual/start.ts';
import { planVirtualStop, virtualBridge } from '../lib/plan/virtual/stop.ts';
import { writeRecord } from '../lib/plan/write-record.ts';
import { virtualRecordPath } from '../lib/record/paths.ts';
import { type SharedSetting, virtualHolder } from '../lib/record/shared-settings.ts';
import type { Values } from '../lib/request/arguments.ts';
import { parseVirtualRequest, VIRTUAL_VARIABLES, type VirtualRequest } from '../lib/request/forward.ts';
import type { System } from '../lib/system/system.ts';

/** network-virtual: its variables and commands. */
export const virtualHook: NetworkHook = { variables: VIRTUAL_VARIABLES, start, stop, status: printStatus };

/** Gives guests a network of their own (docs/contract.md, "network-virtual"). */
export function networkVirtual(context: Context): Promise<number> {
  return runNetworkHook(context, virtualHook);
}

function start(context: Context, values: Values): NetworkWork | undefined {
  const { system } = context;
  const request = parseVirtualRequest(values);
  if (request === undefined) return nothing(context, 'bridge=null asks for no bridge.');
  const { bridge, form } = request;
  const state = observeHost(system);
  const known = readVirtualRecords(system).find((saved) => saved.bridge === bridge);
  checkVirtual(state, request, known, takenAddresses(system, request));
  const wrapped = request.antispoof ? wrappedSetting(system, bridge, undefined) : NOT_WRAPPED;
  const sharedSettings = [...settingsOf(system, state, request), ...wrapped.sharedSettings];
  if (request.strict) mustHaveNft(system);
  const shared = holdShared(system, virtualHolder(bridge), sharedSettings);
  const cutOff = virtualDrops(system, bridge, sharedSettings).map((drop) =>
    routedDropText(system, bridge, drop),
  );
  const planned = planVirtualStart(state, request, known, {
    heard: readPaths(system, routerSettingPaths('default')),
    spanningTree: readSpanningTree(system, bridge),
  });
  const dhcp = startBridgeDhcp(system, request, known);
  const link = state.links.find(({ name }) => name === bridge);
  const saved = recordOf(request, known, link, planned, dhcp);
  const steps = [
    ...shared,
    ...planned.steps,
    ...dhcp.steps,
    ...writeRecord(virtualRecordPath(bridge), known, saved, `how ${bridge} was started`),
  ];
  if (steps.length === 0) return nothing(context, `network-virtual is started on ${bridge} already.`);
  return {
    subject: bridge,
    plan: {
      steps,
      warnings: [...dhcp.warnings, ...wrapped.warnings, ...planned.warnings, ...cutOff],
    },
    verify: () => [
      ...missing(observeHost(system), request),
      ...unmetSettings(system, sharedSettings),
      ...(saved.madeBridge ? unspanned(system, bridge, request.spanningTree) : []),
    ],
    done: `The bridge ${bridge} is there: ${FORM_WORDS[form]}.`,
    takeBack: takeBackBy('network-virtual', { bridge }, known === undefined ? undefined : steps),
  };
}

function recordOf(
  request: VirtualRequest,
  known: VirtualRecord | undefined,
  link: Link | undefined,
  planned: VirtualStart,
  dhcp: DhcpChange,
): VirtualRecord {
  return {
    bridge: request.bridge,
    form: request.form,
    madeBridge: known?.madeBridge ?? link === undefined,
    wasUp: known?.wasUp ?? link?.flags.has('UP') === true,
    addresses: planned.addresses,
    networks: planned.networks,
    ...(dhcp.record === undefined ? {} : { dhcp: dhcp.record }),
    ...(request.strict ? { strict: true } : {}),
    ...(request.account ? { account: true } : {}),
  };
}

/** The addresses of name servers, and those that a neighbour on another device used lately. */
function takenAddresses(system: System, { bridge, addresses }: VirtualRequest): Map<string, string> {
  const servers = readResolver(system).servers.map(
    (server) => [server, "a name server of this host's"] as const,
  );
  const neighbours = addresses.flatMap(({ address }) => {
    const { stdout } = system.run(['ip', 'neigh', 'show', 'to', address]);
    const lines = stdout
      .split('\n')
      .filter((line) => line.includes(' lladdr ') && !line.includes(` dev ${bridge} `));
    return lines.map((line) => [address, `a neighbour's on ${/ dev (\S+)/.exec(line)?.[1]}`] as const);
  });
  return new Map([...neighbours, ...servers]);
}

function settingsOf(system: System, state: HostState, request: VirtualRequest): SharedSetting[] {
  const { form, antispoof } = request;
  const netdev =
    form === 'nat' || request.netdev !== undefined
      ? outsideLink(state, request.netdev ?? defaultDevice(state)).name
      : defaultDevice(state);
  const forwards = form !== 'host-only';
  const ipv6 = request.addresses.some(({ subnet }) => subnet.family === 6);
  return [
    ...(request.strict ? [{ kind: 'strict' } as const] : []),
    ...(antispoof
      ? [...bridgeFilterSettings(), ...besideSettings(system, undefined, () => families(system))]
      : []),
    ...virtualSettings(request, netdev, families(system)),
    ...(forwards ? forwardingSettings(ipv6, ipv6 ? readListening(system, state, netdev) : []) : []),
  ];
}

function missing({ links }: HostState, request: VirtualRequest): string[] {
  const link = links.find(({ name }) => name === request.bridge);
  if (link?.flags.has('UP') !== true) return [`The bridge ${request.bridge} is not up.`];
  return request.addresses
    .filter((own) => !link.addresses.some(({ local }) => local === own.address))
    .map((own) => `${request.bridge} has not got the address ${own.address}.`);
}

function stop(context: Context, values: Values): NetworkWork | undefined {
  const { system } = context;
  const request = parseVirtualRequest(values);
  if (request === undefined) return nothing(context, 'bridge=null asks for no bridge.');
  const known = findStarted(readVirtualRecords(system), request, values);
  if (known === undefined)
    return nothing(context, `network-virtual is not started on ${request.bridge}; nothing to stop.`);
  const { bridge } = known;
  const state = observeHost(system);
  const link = virtualBridge(state, known);
  const present = link?.name ?? bridge;
  const planned: Plan = planVirtualStop({
    state,
    record: known,
    link,
    settings: readSettings(system, present),
    defaults: readSettings(system, 'default'),
    kept: readKept(system, state.links, present, context.log.warn),
  });
  const steps = [
    ...stopBridgeDhcp(system, known),
    ...planned.steps,
    ...letGoShared(system, virtualHolder(bridge)),
    ...writeRecord(virtualRecordPath(bridge), known, undefined, bridge),
  ];
  return {
    subject: bridge,
    plan: { steps, warnings: planned.warnings },
    verify: () => [],
    done: `The network of the bridge ${bridge} is gone.`,
    takeBack: takeBackBy('network-virtual', { bridge }),
  };
}

/** Without bridge= it is the only one that is started. */
function findStarted(
  records: readonly VirtualRecord[],
  request: VirtualRequest,
  { bridge, vifnum }: Values,
): VirtualRecord | undefined {
  const [only, ...others] = records;
  if (bridge === undefined && vifnum === undefined && others.length === 0) return only;
  return records.find((saved) => saved.bridge === request.bridge);
}
