import { HostError } from '../../errors.ts';
import type { Service } from '../../observe/host/service.ts';
import { DNSMASQ_FILES } from '../../record/paths.ts';
import { leaseRange, netmask, type Resolver } from '../../request/dhcp.ts';
import type { BridgeAddress, VirtualRequest } from '../../request/forward.ts';
import { OWN_MARK } from '../../wire/dhcp-conf.ts';
import { record, type Step } from '../step.ts';

/** The addresses that a bridge's DHCP server hands out, and the options that guests get. */
export interface ServedBridge {
  readonly bridge: string;
  readonly own: BridgeAddress;
  /** First and last address. */
  readonly range: readonly [first: string, last: string];
  /** Guests of a host-only bridge get no gateway, since it would lead nowhere. */
  readonly router: string | undefined;
  readonly resolver: Resolver;
  /** The IPv6 subnets that are advertised. */
  readonly advertised: readonly string[];
}

const NO_RESOLVER: Resolver = { domain: undefined, servers: [] };

/**
 * The DHCP settings for a bridge of network-virtual.
 * @param request what was asked for
 * @param resolver the host's name servers
 * @throws HostError when the bridge has no IPv4 subnet with room for guests
 */
export function servedBridge(request: VirtualRequest, resolver: Resolver): ServedBridge {
  const own = request.addresses.find(({ subnet }) => subnet.family === 4 && subnet.length <= 30);
  if (own === undefined)
    throw new HostError(
      `dhcp needs an IPv4 address of ${request.bridge} whose subnet has room for guests; say bridgeip=ADDRESS/LENGTH with a length of at most 30.`,
    );
  const isOpen = request.form !== 'host-only';
  return {
    bridge: request.bridge,
    own,
    range: leaseRange(own.address, own.subnet.length),
    router: isOpen ? own.address : undefined,
    resolver: isOpen ? resolver : NO_RESOLVER,
    advertised: request.addresses
      .filter(({ subnet }) => subnet.family === 6 && subnet.length === 64)
      .map(({ subnet }) => subnet.address),
  };
}

const fileOf = (bridge: string, kind: string): string => `${DNSMASQ_FILES}/${bridge}.${kind}`;

/**
 * The path of the configuration of a bridge's dnsmasq.
 * @param bridge the bridge's name
 */
export function dnsmasqConf(bridge: string): string {
  return fileOf(bridge, 'conf');
}

/**
 * The dnsmasq of one bridge, which only network-virtual starts and stops.
 * @param bridge the bridge's name
 */
export function bridgeDnsmasq(bridge: string): Service {
  const conf = dnsmasqConf(bridge);
  return {
    program: 'dnsmasq',
    control: { kind: 'process', argv: ['dnsmasq', `--conf-file=${conf}`] },
    pidFiles: [fileOf(bridge, 'pid')],
    files: [conf],
    leavings: [fileOf(bridge, 'pid'), fileOf(bridge, 'leases')],
  };
}

/**
 * The configuration of that dnsmasq (dnsmasq(8)): DHCP without DNS.
 * @param served the bridge's DHCP settings
 */
export function dnsmasqFile({ bridge, own, range, router, resolver, advertised }: ServedBridge): string {
  const { domain, servers } = resolver;
  return [
    `# network-virtual made this file for ${bridge} and takes it away with it.`,
    'port=0',
    `interface=${bridge}`,
    'except-interface=lo',
    'bind-dynamic',
    `dhcp-range=${range.join()},${netmask(own.subnet.length)},1h`,
    `dhcp-option=option:router${router === undefined ? '' : `,${router}`}`,
    ...(servers.length === 0 ? [] : [`dhcp-option=option:dns-server,${servers.join()}`]),
    ...(domain === undefined ? [] : [`dhcp-option=option:domain-name,${domain}`]),
    ...(advertised.length === 0 ? [] : ['enable-ra']),
    ...(advertised.length === 0 || router !== undefined ? [] : [`ra-param=${bridge},0,0`]),
    ...advertised.map((address) => `dhcp-range=${address},ra-only,64`),
    'dhcp-authoritative',
    'no-ping',
    `pid-file=${fileOf(bridge, 'pid')}`,
    `dhcp-leasefile=${fileOf(bridge, 'leases')}`,
    '',
  ].join('\n');
}

/**
 * The line that declares the bridge's subnet to dhcpd (dhcpd.conf(5)).
 * @param served the bridge's DHCP settings
 */
export function dhcpdLine({ own, range, router, resolver }: ServedBridge): string {
  const { domain, servers } = resolver;
  const options = [
    `range ${range.join(' ')};`,
    ...(router === undefined ? [] : [`option routers ${router};`]),
    ...(domain === undefined ? [] : [`option domain-name "${domain}";`]),
    ...(servers.length === 0 ? [] : [`option domain-name-servers ${servers.join(', ')};`]),
  ];
  return `subnet ${own.subnet.address} netmask ${netmask(own.subnet.length)} { ${options.join(' ')} }${OWN_MARK}`;
}

/**
 * The steps that start the bridge's dnsmasq; none where it runs with the same configuration.
 * @param served the bridge's DHCP settings
 * @param before the present configuration, as it was read
 * @param running whether the dnsmasq runs
 */
export function planDnsmasq(served: ServedBridge, before: string | undefined, running: boolean): Step[] {
  const text = dnsmasqFile(served);
  if (before === text && running) return [];
  const service = bridgeDnsmasq(served.bridge);
  const path = dnsmasqConf(served.bridge);
  const why = `hand out addresses on ${served.bridge}`;
  const stop = { tool: 'service', verb: 'stop', service, optional: true } as const;
  const again = { tool: 'service', verb: 'restart', service, optional: true } as const;
  return [
    {
      do: record(path, text),
      undo: [record(path, before), ...(running ? [again] : [])],
      why,
    },
    {
      do: { tool: 'service', verb: 'restart', service, optional: false },
      undo: running ? [] : [stop],
      why,
    },
  ];
}

/**
 * The steps that stop the bridge's dnsmasq and remove its configuration.
 * @param bridge the bridge's name
 * @param before the present configuration
 */
export function planNoDnsmasq(bridge: string, before: string | undefined): Step[] {
  const service = bridgeDnsmasq(bridge);
  const path = dnsmasqConf(bridge);
  const again = { tool: 'service', verb: 'restart', service, optional: true } as const;
  return [
    {
      do: record(path, undefined),
      undo: [record(path, before), ...(before === undefined ? [] : [again])],
      why: `remove the DHCP settings of ${bridge}`,
    },
    {
      do: { tool: 'service', verb: 'stop', service, optional: false },
      undo: [],
      why: `hand out no addresses on ${bridge} any more`,
    },
  ];
}
