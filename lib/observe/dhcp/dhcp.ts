import { HostError } from '../../errors.ts';
import type { DhcpServer, DhcpWish, Resolver } from '../../request/dhcp.ts';
import type { System } from '../../system/system.ts';
import { hostEntries, variableWords } from '../../wire/dhcp-conf.ts';
import { type DhcpRecord, readNatRecords } from '../forward/nat.ts';
import { readVirtualRecords } from '../forward/virtual.ts';
import { deviceExists } from '../host/port.ts';
import { controlOf, processOf, type Service } from '../host/service.ts';
import { type DnsmasqState, dnsmasqHolders, dnsmasqState } from './dnsmasq.ts';
import { isGone, readResolver, type ServerState, type Shared } from './server.ts';

/** A file and its content, each byte one character. */
export interface FoundFile {
  readonly path: string;
  readonly text: string;
}

/** The state of ISC dhcpd and its files. */
export interface DhcpdState extends ServerState {
  readonly server: 'dhcpd';
  readonly conf: FoundFile;
  /** The file with the list of devices that it serves, if the distribution has one. */
  readonly args: (FoundFile & { readonly variable: string }) | undefined;
  /** Guests' devices in that list that are gone: the server would not start with them. */
  readonly goneDevices: readonly string[];
  /** Guests' entries whose devices are gone, such as after a power loss. */
  readonly goneHosts: readonly string[];
  /** The declarations that belong to started hooks. */
  readonly heldLines: readonly string[];
}

export type DhcpState = DhcpdState | DnsmasqState;

const SBIN = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
// The paths of the stock scripts and of today's distributions (docs/contract.md, "DHCP").
const CONF_FILES = ['/etc/dhcp/dhcpd.conf', '/etc/dhcp3/dhcpd.conf', '/etc/dhcpd.conf'];
const ARG_FILES = [
  '/etc/default/isc-dhcp-server',
  '/etc/sysconfig/dhcpd',
  '/etc/defaults/dhcp',
  '/etc/default/dhcp-server',
  '/etc/default/dhcp3-server',
  '/etc/conf.d/dhcpd',
];
const ARG_VARIABLES = ['INTERFACESv4', 'INTERFACES', 'DHCPDARGS', 'DHCPD_INTERFACE', 'DHCPD_IFACE'];
const DHCPD_SERVICES = ['isc-dhcp-server', 'dhcp-server', 'dhcp3-server', 'dhcp', 'dhcpd', 'dhcpd4'];
const DHCPD_PIDS = [
  '/run/dhcpd.pid',
  '/run/dhcp-server/dhcpd.pid',
  '/var/run/dhcp3-server/dhcpd.pid',
  '/var/lib/dhcp/var/run/dhcpd.pid',
];
/**
 * Finds the DHCP server that gives guests behind vif-nat their addresses.
 * @param system the way to the files and processes
 * @param wish what dhcp= asks for; unsaid means dhcpd where it is installed and has a configuration, otherwise none
 * (docs/contract.md, "network-nat")
 * @returns undefined where no DHCP is wanted
 * @throws HostError when DHCP is asked for and the host has no such server
 */
export function observeDhcp(system: System, wish: DhcpWish = 'unsaid'): DhcpState | undefined {
  const server = chooseServer(system, wish);
  if (server === undefined) return undefined;
  const shared = { demanded: wish !== 'unsaid', resolver: readResolver(system) };
  return server === 'dhcpd'
    ? dhcpdState(system, shared, startedWith(system, server)?.files)
    : dnsmasqState(system, shared);
}

/** The DHCP server of a bridge: dhcpd, or a dnsmasq of the bridge's own. */
export type BridgeDhcp = DhcpdState | { readonly server: 'dnsmasq'; readonly resolver: Resolver };

/**
 * Finds the DHCP server of a bridge. A dnsmasq of the bridge's own is preferred, since it leaves the host's servers
 * alone.
 * @param system the way to the files and processes
 * @param wish what dhcp= asks for; unsaid means none
 * @returns undefined where no DHCP is wanted
 * @throws HostError when DHCP is asked for and the host has no such server
 */
export function observeBridgeDhcp(system: System, wish: DhcpWish): BridgeDhcp | undefined {
  if (wish === 'unsaid' || wish === 'none') return undefined;
  if (wish !== 'dhcpd' && isInstalled(system, 'dnsmasq'))
    return { server: 'dnsmasq', resolver: readResolver(system) };
  const state = observeDhcp(system, wish);
  return state?.server === 'dhcpd' ? state : undefined;
}

/**
 * Whether a server's program is installed, for dhcpd with a configuration.
 * @param system the way to the files
 * @param server the server
 */
export function isInstalled(system: System, server: DhcpServer): boolean {
  const program = SBIN.some((folder) => system.exists(`${folder}/${server}`));
  return program && (server === 'dnsmasq' || CONF_FILES.some((path) => system.exists(path)));
}

function chooseServer(system: System, wish: DhcpWish): DhcpServer | undefined {
  if (wish === 'none') return undefined;
  const dhcpd = isInstalled(system, 'dhcpd');
  const started = startedWith(system)?.server;
  if (wish === 'unsaid') return started ?? (dhcpd ? 'dhcpd' : undefined);
  if (wish === 'any' && started !== undefined && isInstalled(system, started)) return started;
  if (wish !== 'dnsmasq' && dhcpd) return 'dhcpd';
  if (wish !== 'dhcpd' && isInstalled(system, 'dnsmasq')) return 'dnsmasq';
  throw new HostError(missingServer(wish));
}

/** The DHCP record of network-nat; with `server` only one for that server. */
function startedWith(system: System, server?: DhcpServer): DhcpRecord | undefined {
  return readNatRecords(system)
    .map(({ dhcp }) => dhcp)
    .find((dhcp) => dhcp !== undefined && (server ?? dhcp.server) === dhcp.server);
}

function missingServer(wish: DhcpWish): string {
  if (wish === 'any')
    return 'dhcp=yes needs a DHCP server, and this host has none. Install dnsmasq or the ISC DHCP server, or leave dhcp out.';
  const file = wish === 'dhcpd' ? `, or has none of its files ${CONF_FILES.join(', ')}` : '';
  return `dhcp=${wish} needs the program ${wish}, which is not installed${file}. Install it, or say dhcp=yes for whichever server there is.`;
}

/** Uses the files that an earlier run used, where they still exist. */
function dhcpdState(system: System, shared: Shared, files: readonly string[] = []): DhcpdState {
  const [usedConf, usedArgs] = files.map((path) => (system.exists(path) ? path : undefined));
  const conf = found(system, usedConf ?? firstOf(system, CONF_FILES) ?? CONF_FILES[0] ?? '');
  const path = usedArgs ?? firstOf(system, ARG_FILES);
  const file = path === undefined ? undefined : found(system, path);
  const variable = ARG_VARIABLES.find((name) => variableWords(file?.text ?? '', name) !== undefined);
  const args = file === undefined || variable === undefined ? undefined : { ...file, variable };
  const words = args === undefined ? [] : (variableWords(args.text, args.variable) ?? []);
  const service: Service = {
    program: 'dhcpd',
    control: controlOf(system, DHCPD_SERVICES) ?? {
      kind: 'process',
      argv: ['dhcpd', '-q', '-cf', conf.path, '-pf', DHCPD_PIDS[0] ?? ''],
    },
    pidFiles: DHCPD_PIDS,
    files: [conf.path, ...(args === undefined ? [] : [args.path])],
  };
  return {
    ...shared,
    server: 'dhcpd',
    conf,
    args,
    goneHosts: hostEntries(conf.text)
      .filter((entry) => isGone(system, entry))
      .map(({ name }) => name),
    heldLines: [...readNatRecords(system), ...readVirtualRecords(system)].flatMap(
      ({ dhcp }) => dhcp?.subnet?.line ?? [],
    ),
    goneDevices: words.filter((word) => /^vif\d+\.\d+$/.test(word) && !deviceExists(system, word)),
    service,
    running: processOf(system, service) !== undefined,
  };
}

/**
 * All servers of a kind that may have a guest's entry, not only the one that would be chosen now: since then the host's
 * own dnsmasq may have been started or stopped, files made, programs removed.
 * @param system the way to the files and processes
 * @param used the kind, and the files that were used, where they are known
 */
export function observeHolders(
  system: System,
  { server, files }: Pick<DhcpRecord, 'server' | 'files'>,
): DhcpState[] {
  const shared = { demanded: false, resolver: readResolver(system) };
  if (server === 'dhcpd') {
    const [conf] = [...(files ?? []), ...CONF_FILES].filter((path) => system.exists(path));
    return conf === undefined ? [] : [dhcpdState(system, shared, files ?? [conf])];
  }
  return dnsmasqHolders(system, shared);
}

function found(system: System, path: string): FoundFile {
  return { path, text: system.readBytes(path) ?? '' };
}

function firstOf(system: System, paths: readonly string[]): string | undefined {
  return paths.find((path) => system.exists(path));
}
