import { HostError } from '../../errors.ts';
import { chainThatDropsDhcp, dhcpDropText } from '../../filter/dhcp-input.ts';
import { isInstalled, observeBridgeDhcp, observeHolders } from '../../observe/dhcp/dhcp.ts';
import { otherServer } from '../../observe/dhcp/others.ts';
import { readFirewall } from '../../observe/filter/firewall-rules.ts';
import type { DhcpRecord } from '../../observe/forward/nat.ts';
import type { VirtualRecord } from '../../observe/forward/virtual.ts';
import { processOf } from '../../observe/host/service.ts';
import { planSubnet, planSubnetStop } from '../../plan/dhcp/subnet.ts';
import {
  bridgeDnsmasq,
  dhcpdLine,
  dnsmasqConf,
  planDnsmasq,
  planNoDnsmasq,
  servedBridge,
} from '../../plan/dhcp/virtual.ts';
import type { Step } from '../../plan/step.ts';
import type { VirtualRequest } from '../../request/forward.ts';
import type { System } from '../../system/system.ts';

/** The steps that make or stop a DHCP service. */
export interface DhcpChange {
  readonly steps: readonly Step[];
  readonly warnings: readonly string[];
  /** The DHCP record for stop; undefined where no addresses are handed out. */
  readonly record: DhcpRecord | undefined;
}

export const NO_SERVERS =
  '/etc/resolv.conf names no server that guests could reach, so they get none by DHCP.';

/**
 * The steps that hand out addresses on a bridge of network-virtual, if dhcp= asks for it.
 * @param system the way to the host
 * @param request what was asked for
 * @param known the record of an earlier start
 * @throws HostError when there is no server, or no subnet to serve
 */
export function startBridgeDhcp(
  system: System,
  request: VirtualRequest,
  known: VirtualRecord | undefined,
): DhcpChange {
  const started = known?.dhcp?.server;
  const server = observeBridgeDhcp(system, request.dhcp === 'any' ? (started ?? 'any') : request.dhcp);
  if (server === undefined) return { steps: [], warnings: [], record: known?.dhcp };
  if (started !== undefined && started !== server.server)
    throw new HostError(
      `${started} hands out addresses on ${request.bridge} since the last start. ` +
        `Run "network-virtual stop bridge=${request.bridge}" before it is started with ${server.server}.`,
    );
  const served = servedBridge(request, server.resolver);
  if (known?.dhcp === undefined) mustBeAlone(system, request.bridge);
  const isTold = served.router === undefined || served.resolver.servers.length > 0;
  const warnings = isTold ? [] : [NO_SERVERS];
  if (server.server === 'dnsmasq') {
    const before = system.readBytes(dnsmasqConf(request.bridge));
    const running = processOf(system, bridgeDnsmasq(request.bridge)) !== undefined;
    const steps = planDnsmasq(served, before, running);
    const heard = steps.length === 0 ? [] : blockedRequests(system, request.bridge);
    return { steps, warnings: [...warnings, ...heard], record: { server: 'dnsmasq' } };
  }
  const line = known?.dhcp?.subnet?.line ?? dhcpdLine(served);
  const wanted = { subnet: served.own.subnet, line, device: request.bridge };
  const { steps, record: subnet } = planSubnet(server, wanted, known?.dhcp?.subnet);
  return { steps, warnings, record: { server: 'dhcpd', files: server.service.files, subnet } };
}

/**
 * The warning that the firewall drops DHCP requests before this host's dnsmasq receives them.
 * @param system the way to the firewall
 * @param device the device by which requests come; "*" at its end stands for any rest
 */
export function blockedRequests(system: System, device: string): string[] {
  try {
    const chain = chainThatDropsDhcp(readFirewall(system), device.replace(/\*$/, '1.0'));
    return chain === undefined ? [] : [dhcpDropText(chain, device)];
  } catch (thrown) {
    if (!(thrown instanceof HostError)) throw thrown;
    return [`Whether the firewall drops what guests ask of the DHCP server is not known: ${thrown.message}`];
  }
}

/** @throws HostError naming the server that serves the bridge already */
function mustBeAlone(system: System, bridge: string): void {
  const other = otherServer(system, bridge, processOf(system, bridgeDnsmasq(bridge)));
  if (other === undefined) return;
  throw new HostError(
    `${other} hands out addresses on ${bridge} already: with two servers a guest gets now one's and now the other's. ` +
      'Leave dhcp= out, or take that server off the bridge first.',
  );
}

/**
 * The steps that end the handing out of addresses on a bridge.
 * @param system the way to the host
 * @param known the bridge's record
 */
export function stopBridgeDhcp(system: System, { bridge, dhcp }: VirtualRecord): Step[] {
  if (dhcp?.server === 'dnsmasq') return planNoDnsmasq(bridge, system.readBytes(dnsmasqConf(bridge)));
  return stopSubnet(system, dhcp);
}

/**
 * The steps that remove a subnet from dhcpd's files, those that start used; where dhcpd is no longer installed only the
 * files change.
 * @param system the way to the host
 * @param dhcp the DHCP record of start
 */
export function stopSubnet(system: System, dhcp: DhcpRecord | undefined): Step[] {
  const subnet = dhcp?.subnet;
  if (dhcp === undefined || subnet === undefined) return [];
  const wasRunning = subnet.wasRunning && isInstalled(system, 'dhcpd');
  return observeHolders(system, dhcp).flatMap((state) =>
    state.server === 'dhcpd' ? planSubnetStop(state, { ...subnet, wasRunning }) : [],
  );
}
