import { HostError } from '../lib/errors.ts';
import { holdsFor } from '../lib/filter/packet.ts';
import { namesDevice } from '../lib/filter/walk.ts';
import type { Context, NetworkHook, NetworkWork } from '../lib/hook/context.ts';
import { besideSettings } from '../lib/hook/network/bridge.ts';
import { blockedRequests, type DhcpChange, NO_SERVERS, stopSubnet } from '../lib/hook/network/bridge-dhcp.ts';
import { runNetworkHook } from '../lib/hook/network/network.ts';
import { holdShared, letGoShared, unmetSettings } from '../lib/hook/network/shared-settings.ts';
import { printStatus } from '../lib/hook/network/status.ts';
import { nothing, takeBackBy } from '../lib/hook/network/transaction.ts';
import { defaultDevice, defaultDevices } from '../lib/observe/bridge/uplink.ts';
import { type DhcpState, observeDhcp } from '../lib/observe/dhcp/dhcp.ts';
import { bridgedFamilies, iptablesDrops } from '../lib/observe/filter/forward-policy.ts';
import { isAntispoofed } from '../lib/observe/filter/rules.ts';
import { mustHaveNft } from '../lib/observe/filter/strict.ts';
import { readListening } from '../lib/observe/forward/forwarding.ts';
import { type NatRecord, readNatRecords } from '../lib/observe/forward/nat.ts';
import { families, observeHost } from '../lib/observe/host/host.ts';
import { outsideLink } from '../lib/plan/bridge/check.ts';
import { planGone } from '../lib/plan/dhcp/lease.ts';
import { planSubnet } from '../lib/plan/dhcp/subnet.ts';
import { type ForwardFilter, forwardingSettings, natSettings } from '../lib/plan/forward.ts';
import { writeRecord } from '../lib/plan/write-record.ts';
import { natRecordPath } from '../lib/record/paths.ts';
import { natHolder, type SharedSetting } from '../lib/record/shared-settings.ts';
import type { Family } from '../lib/request/addresses.ts';
import type { Values } from '../lib/request/arguments.ts';
import { NAT_SUBNET } from '../lib/request/dhcp.ts';
import { NAT_VARIABLES, type NatRequest, parseNatRequest } from '../lib/request/forward.ts';
import type { System } from '../lib/system/system.ts';
import { listed } from '../lib/text.ts';
import { subnetLine } from '../lib/wire/dhcp-conf.ts';

/** network-nat: its variables and commands. */
export const natHook: NetworkHook = { variables: NAT_VARIABLES, start, stop, status: printStatus };

/** Masquerades guests: they reach the outside with this host's address (docs/contract.md, "network-nat"). */
export function networkNat(context: Context): Promise<number> {
  return runNetworkHook(context, natHook);
}

function start(context: Context, values: Values): NetworkWork | undefined {
  const { system } = context;
  const request = parseNatRequest(values);
  if (request.strict) mustHaveNft(system);
  const state = observeHost(system);
  const { name, kind } = outsideLink(state, request.netdev ?? defaultDevice(state));
  warnOfOtherWays(context, defaultDevices(state), name);
  const known = readNatRecords(system).find(({ netdev }) => netdev === name);
  const sharedSettings = [
    ...families(system).flatMap((family) => filterSettings(system, name, family, request, kind === 'bridge')),
    ...(request.antispoof
      ? besideSettings(system, undefined, (bridge) => bridgedFamilies(system, bridge))
      : []),
    ...forwardingSettings(request.ipv6, request.ipv6 ? readListening(system, state, name) : []),
    ...(request.strict ? [{ kind: 'strict' } as const] : []),
    ...(request.account ? [{ kind: 'account' } as const] : []),
  ];
  const shared = holdShared(system, natHolder(name), sharedSettings);
  const dhcp = dhcpStart(observeDhcp(system, request.dhcp), known, () => blockedRequests(system, 'vif*'));
  const saved: NatRecord = { netdev: name, ...(dhcp.record === undefined ? {} : { dhcp: dhcp.record }) };
  const steps = [
    ...shared,
    ...dhcp.steps,
    ...writeRecord(natRecordPath(name), known, saved, `what network-nat did on ${name}`),
  ];
  if (steps.length === 0) return nothing(context, `network-nat is started on ${name} already.`);
  return {
    subject: name,
    plan: { steps, warnings: dhcp.warnings },
    verify: () => unmetSettings(system, sharedSettings),
    done: `Guests reach the outside through ${name} with this host's address.`,
    takeBack: takeBackBy('network-nat', { netdev: name }, known === undefined ? undefined : steps),
  };
}

/** Packets that leave by another next hop of the default route keep the guests' addresses. */
function warnOfOtherWays({ log }: Context, ways: readonly string[], name: string): void {
  const others = ways.filter((device) => device !== name);
  if (others.length > 0 && ways.includes(name))
    log.warn(
      `The default route leads by ${listed(others)} as well, where guests' packets are not masqueraded. ` +
        `Run "network-nat start netdev=${others[0]}" too.`,
    );
}

function stop(context: Context, values: Values): NetworkWork | undefined {
  const { system } = context;
  const request = parseNatRequest(values);
  const records = readNatRecords(system);
  const known = findStarted(system, records, request);
  if (known === undefined)
    return nothing(
      context,
      `network-nat is not started on ${request.netdev ?? 'any device'}; nothing to stop.`,
    );
  const steps = [
    ...stopSubnet(system, known.dhcp),
    ...letGoShared(system, natHolder(known.netdev)),
    ...writeRecord(natRecordPath(known.netdev), known, undefined, known.netdev),
  ];
  return {
    subject: known.netdev,
    plan: { steps, warnings: [] },
    verify: () => [],
    done: `Guests no longer reach the outside through ${known.netdev}.`,
    takeBack: takeBackBy('network-nat', { netdev: known.netdev }),
  };
}

function filterSettings(
  system: System,
  netdev: string,
  family: Family,
  request: NatRequest,
  isBridge: boolean,
): SharedSetting[] {
  const masquerade = family === 4 || request.ipv6;
  const forwardFilter = forwardFilterOf(system, netdev, family, request.antispoof, masquerade);
  return natSettings(netdev, family, masquerade, forwardFilter, isBridge);
}

/** Where the policy of FORWARD is DROP by the administrator's choice, guests need rules that accept their packets. */
function forwardFilterOf(
  system: System,
  netdev: string,
  family: Family,
  antispoof: boolean,
  masquerade: boolean,
): ForwardFilter {
  if (antispoof) return 'antispoof';
  if (!masquerade || isAntispoofed(system)) return 'none';
  const devices = { in: 'vif1.0', out: netdev };
  const drops = iptablesDrops(
    system,
    family,
    (match) => namesDevice(match, devices[match.direction]) !== match.negated,
    holdsFor(family === 4 ? NAT_SUBNET : undefined),
  );
  return drops ? 'pass' : 'none';
}

/** dnsmasq gets a file for each guest, and none at start. */
function dhcpStart(
  state: DhcpState | undefined,
  known: NatRecord | undefined,
  unheard: () => string[],
): DhcpChange {
  if (state === undefined) return { steps: [], warnings: [], record: known?.dhcp };
  if (known?.dhcp !== undefined && known.dhcp.server !== state.server)
    throw new HostError(
      `network-nat was started on ${known.netdev} with ${known.dhcp.server} as the DHCP server. ` +
        `Run "network-nat stop netdev=${known.netdev}" before it is started with ${state.server}.`,
    );
  const warnings = state.resolver.servers.length > 0 ? [] : [NO_SERVERS];
  if (state.server === 'dnsmasq')
    return {
      steps: planGone(state),
      warnings: [...warnings, ...(known?.dhcp === undefined ? unheard() : [])],
      record: { server: 'dnsmasq', files: state.service.files },
    };
  const line = known?.dhcp?.subnet?.line ?? subnetLine(NAT_SUBNET, state.resolver);
  const wanted = { subnet: NAT_SUBNET, line, device: undefined };
  const { steps, record: subnet } = planSubnet(state, wanted, known?.dhcp?.subnet);
  return {
    steps,
    warnings: steps.length > 0 ? warnings : [],
    record: { server: 'dhcpd', files: state.service.files, subnet },
  };
}

/** Without netdev= it is the only one that is started, wherever the default route leads by now. */
function findStarted(
  system: System,
  records: readonly NatRecord[],
  request: NatRequest,
): NatRecord | undefined {
  if (request.netdev !== undefined) return records.find(({ netdev }) => netdev === request.netdev);
  if (records.length < 2) return records[0];
  const usual = defaultDevice(observeHost(system));
  return records.find(({ netdev }) => netdev === usual);
}
