import type { Family } from '../contract/addresses.ts';
import type { Values } from '../contract/arguments.ts';
import { type Claim, natUser } from '../contract/claims.ts';
import { NAT_SUBNET } from '../contract/dhcp.ts';
import { subnetLine } from '../contract/dhcp-conf.ts';
import { NAT_VARIABLES, type NatRequest, parseNatRequest } from '../contract/forward-request.ts';
import { natRecordPath } from '../contract/paths.ts';
import { listed } from '../contract/text.ts';
import { HostError } from '../errors.ts';
import { namesDevice } from '../filter/walk.ts';
import { type DhcpState, observeDhcp } from '../observe/dhcp.ts';
import { iptablesDrops } from '../observe/forward-policy.ts';
import { readListening } from '../observe/forwarding.ts';
import { families, observeHost } from '../observe/host.ts';
import { type NatRecord, readNatRecords } from '../observe/nat.ts';
import { isAntispoofed } from '../observe/rules.ts';
import { defaultDevice, defaultDevices } from '../observe/uplink.ts';
import { linkOf } from '../plan/bridge-check.ts';
import { planGone } from '../plan/dhcp.ts';
import { planSubnet } from '../plan/dhcp-subnet.ts';
import { forwardingClaims, type Guarding, natClaims } from '../plan/nat.ts';
import { remember } from '../plan/remember.ts';
import type { System } from '../system/system.ts';
import { type DhcpChange, NO_SERVERS, stopSubnet, unheardRequests } from './bridge-dhcp.ts';
import type { Context } from './context.ts';
import { holdShared, letGoShared, unmetClaims } from './forwarding.ts';
import { printStatus } from './status.ts';
import { type NetworkHook, type NetworkWork, nothing, takeBackBy } from './transaction.ts';

/** Lets guests go outside as this host (docs/contract.md, "network-nat"). */
export const natHook: NetworkHook = { variables: NAT_VARIABLES, start, stop, status: printStatus };

function start(context: Context, values: Values): NetworkWork | undefined {
  const { system } = context;
  const request = parseNatRequest(values);
  const state = observeHost(system);
  const { name, kind } = linkOf(state, request.netdev ?? defaultDevice(state));
  warnOfOtherWays(context, defaultDevices(state), name);
  const known = readNatRecords(system).find(({ netdev }) => netdev === name);
  const claims = [
    ...families(system).flatMap((family) => filterClaims(system, name, family, request, kind === 'bridge')),
    ...forwardingClaims(request.ipv6, request.ipv6 ? readListening(system, state, name) : []),
  ];
  const shared = holdShared(system, natUser(name), claims);
  const dhcp = dhcpStart(observeDhcp(system, request.dhcp), known, () => unheardRequests(system, 'vif*'));
  const saved: NatRecord = { netdev: name, ...(dhcp.record === undefined ? {} : { dhcp: dhcp.record }) };
  const steps = [
    ...shared,
    ...dhcp.steps,
    ...remember(natRecordPath(name), known, saved, `what network-nat did on ${name}`),
  ];
  if (steps.length === 0) return nothing(context, `network-nat is started on ${name} already.`);
  return {
    subject: name,
    plan: { steps, warnings: dhcp.warnings },
    verify: () => unmetClaims(system, claims),
    done: `Guests go outside through ${name} as this host.`,
    takeBack: takeBackBy('network-nat', { netdev: name }, known === undefined ? undefined : steps),
  };
}

/** Packets of guests that leave by another next hop of the default route go out with the guests' addresses. */
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
    ...letGoShared(system, natUser(known.netdev)),
    ...remember(natRecordPath(known.netdev), known, undefined, known.netdev),
  ];
  return {
    subject: known.netdev,
    plan: { steps, warnings: [] },
    verify: () => [],
    done: `Guests do not go outside through ${known.netdev} any more.`,
    takeBack: takeBackBy('network-nat', { netdev: known.netdev }),
  };
}

function filterClaims(
  system: System,
  netdev: string,
  family: Family,
  request: NatRequest,
  isBridge: boolean,
): Claim[] {
  const masquerade = family === 4 || request.ipv6;
  const guarding = guardingOf(system, netdev, family, request.antispoof, masquerade);
  return natClaims(netdev, family, masquerade, guarding, isBridge);
}

/** Where the administrator drops what no rule lets pass, guests have to be let through by name. */
function guardingOf(
  system: System,
  netdev: string,
  family: Family,
  antispoof: boolean,
  masquerade: boolean,
): Guarding {
  if (antispoof) return 'antispoof';
  if (!masquerade || isAntispoofed(system)) return 'none';
  const devices = { in: 'vif1.0', out: netdev };
  const drops = iptablesDrops(
    system,
    family,
    (match) => namesDevice(match, devices[match.direction]) !== match.negated,
  );
  return drops ? 'pass' : 'none';
}

/** dnsmasq gets a file for each guest and none before. */
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

/** Without netdev= the one that is started, wherever the default route leads by now. */
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
