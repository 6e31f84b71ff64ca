import { type DhcpServer, type DhcpWish, parseResolver, type Resolver } from '../contract/dhcp.ts';
import { GUEST_FILE_PREFIX, guestOfFile, hostEntries, variableWords } from '../contract/dhcp-conf.ts';
import { DNSMASQ_FILES as OWN_FOLDER } from '../contract/paths.ts';
import { HostError } from '../errors.ts';
import type { System } from '../system/system.ts';
import { readNatRecords } from './nat.ts';
import { deviceExists } from './port.ts';
import { readVifRecord } from './records.ts';
import { controlOf, processOf, type Service } from './service.ts';

/** A file as it is, each byte one character. */
export interface FoundFile {
  readonly path: string;
  readonly text: string;
}

/** What is the same for both servers. */
interface ServerState {
  readonly service: Service;
  /** Whether it runs now. */
  readonly running: boolean;
  /** Somebody asked for DHCP by name: then it is an error when it cannot be had. */
  readonly demanded: boolean;
  readonly resolver: Resolver;
}

/** ISC dhcpd and its files. */
export interface DhcpdState extends ServerState {
  readonly server: 'dhcpd';
  readonly conf: FoundFile;
  /** Where the devices are listed that it serves, if the distribution has such a file. */
  readonly args: (FoundFile & { readonly variable: string }) | undefined;
  /** Names of guests' devices in that list that are gone: the server would not start with them. */
  readonly goneDevices: readonly string[];
  /** Names of guests' entries whose devices are gone: a host that lost its power left them. */
  readonly goneHosts: readonly string[];
}

/** dnsmasq, the host's own or one that we start for the guests. */
export interface DnsmasqState extends ServerState {
  readonly server: 'dnsmasq';
  /** The folder whose files it reads. */
  readonly folder: string;
  /** Our files in there, by name. */
  readonly files: ReadonlyMap<string, string>;
  /** Those among them whose guests are gone: two with one address, or a device that is not there, may end the server. */
  readonly goneFiles: readonly string[];
  /** It serves only devices that are named to it. */
  readonly namesDevices: boolean;
}

export type DhcpState = DhcpdState | DnsmasqState;

const SBIN = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
// The places of the stock scripts, and of today's distributions (contract 3, 4).
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
const DNSMASQ_CONF = '/etc/dnsmasq.conf';
const DNSMASQ_FOLDER = '/etc/dnsmasq.d';
const DNSMASQ_PIDS = ['/run/dnsmasq/dnsmasq.pid', '/run/dnsmasq.pid'];
/** Where our own dnsmasq has its files. */
const NAT_FOLDER = `${OWN_FOLDER}/nat.d`;

/**
 * Looks for the DHCP server that guests behind vif-nat are to get their addresses from.
 * @param system the way to the files and processes
 * @param wish what dhcp= asks for; unsaid means dhcpd where it is installed and has its file, else none (contract 4)
 * @returns undefined where no DHCP is wanted
 * @throws HostError when DHCP is asked for and the host has no such server
 */
export function observeDhcp(system: System, wish: DhcpWish = 'unsaid'): DhcpState | undefined {
  const server = chooseServer(system, wish);
  if (server === undefined) return undefined;
  const shared = { demanded: wish !== 'unsaid', resolver: readResolver(system) };
  return server === 'dhcpd' ? dhcpdState(system, shared) : dnsmasqState(system, shared);
}

/** What hands out addresses on a bridge: dhcpd, or a dnsmasq of the bridge's own. */
export type BridgeDhcp = DhcpdState | { readonly server: 'dnsmasq'; readonly resolver: Resolver };

/**
 * Looks for the DHCP server of a bridge: a dnsmasq of its own leaves the host's servers alone, so it comes first.
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
 * The same for a server that a started hook uses; undefined where it is not there any more.
 * @param system the way to the files and processes
 * @param server which one
 */
export function observeInstalled(system: System, server: DhcpServer): DhcpState | undefined {
  return isInstalled(system, server) ? observeDhcp(system, server) : undefined;
}

function isInstalled(system: System, server: DhcpServer): boolean {
  const program = SBIN.some((folder) => system.exists(`${folder}/${server}`));
  return program && (server === 'dnsmasq' || CONF_FILES.some((path) => system.exists(path)));
}

function chooseServer(system: System, wish: DhcpWish): DhcpServer | undefined {
  if (wish === 'none') return undefined;
  const dhcpd = isInstalled(system, 'dhcpd');
  if (wish === 'unsaid') return startedWith(system) ?? (dhcpd ? 'dhcpd' : undefined);
  if (wish !== 'dnsmasq' && dhcpd) return 'dhcpd';
  if (wish !== 'dhcpd' && isInstalled(system, 'dnsmasq')) return 'dnsmasq';
  throw new HostError(missingServer(wish));
}

/** The server that network-nat was started with. */
function startedWith(system: System): DhcpServer | undefined {
  return readNatRecords(system).find((record) => record.dhcp !== undefined)?.dhcp?.server;
}

function missingServer(wish: DhcpWish): string {
  if (wish === 'any')
    return 'dhcp=yes needs a DHCP server, and this host has none. Install dnsmasq or the ISC DHCP server, or leave dhcp out.';
  const file = wish === 'dhcpd' ? `, or has none of its files ${CONF_FILES.join(', ')}` : '';
  return `dhcp=${wish} needs the program ${wish}, which is not installed${file}. Install it, or say dhcp=yes for whichever server there is.`;
}

/**
 * The name servers of this host; behind systemd-resolved they are not in the usual file.
 * @param system the way to the files
 */
export function readResolver(system: System): Resolver {
  const usual = parseResolver(system.readText('/etc/resolv.conf') ?? '');
  if (usual.servers.length > 0) return usual;
  const behind = parseResolver(system.readText('/run/systemd/resolve/resolv.conf') ?? '');
  return { domain: usual.domain ?? behind.domain, servers: behind.servers };
}

type Shared = Pick<ServerState, 'demanded' | 'resolver'>;

function dhcpdState(system: System, shared: Shared): DhcpdState {
  const conf = found(system, firstOf(system, CONF_FILES) ?? CONF_FILES[0] ?? '');
  const path = firstOf(system, ARG_FILES);
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
      .map(({ name }) => name)
      .filter((name) => isGone(system, name)),
    goneDevices: words.filter((word) => /^vif\d+\.\d+$/.test(word) && !deviceExists(system, word)),
    service,
    running: processOf(system, service) !== undefined,
  };
}

/** Neither its device nor what that was renamed to is there. */
function isGone(system: System, name: string): boolean {
  const [, domid, number = '1'] = /^dom(\d+)(?:-(\d+))?$/.exec(name) ?? [];
  const device = `vif${domid}.${Number(number) - 1}`;
  if (domid === undefined || deviceExists(system, device)) return false;
  const record = readVifRecord(system, device);
  return record === undefined || !deviceExists(system, record.name);
}

function dnsmasqState(system: System, shared: Shared): DnsmasqState {
  const hosts = hostDnsmasq(system);
  const pid = hosts === undefined ? undefined : processOf(system, hosts);
  // One that was not wanted so far is left alone; and one that binds its devices ends where one of them is not there, as
  // after a loss of power: guests must not take the host's DNS along.
  const isFit = hosts !== undefined && pid !== undefined && !bindsDevices(system, pid);
  return isFit
    ? dnsmasqIn(system, shared, DNSMASQ_FOLDER, hosts)
    : dnsmasqIn(system, shared, NAT_FOLDER, natDnsmasq());
}

function dnsmasqIn(system: System, shared: Shared, folder: string, service: Service): DnsmasqState {
  const texts = system
    .list(folder)
    .map((name) => [name, system.readText(`${folder}/${name}`) ?? ''] as const);
  const isOurs = ([name]: readonly [string, string]) => name.startsWith(GUEST_FILE_PREFIX);
  const others = [
    system.readText(DNSMASQ_CONF) ?? '',
    ...texts.filter((file) => !isOurs(file)).map(([, text]) => text),
  ];
  const files = new Map(texts.filter(isOurs));
  return {
    ...shared,
    server: 'dnsmasq',
    folder,
    files,
    goneFiles: [...files.keys()].filter((name) => isGone(system, guestOfFile(name))),
    namesDevices: folder === NAT_FOLDER || others.some((text) => /^\s*interface\s*=/m.test(text)),
    service,
    running: processOf(system, service) !== undefined,
  };
}

/**
 * Every server of a kind that may have a guest's entry, whichever would be chosen now: the host's own dnsmasq may have been
 * started or stopped since.
 * @param system the way to the files and processes
 * @param server which kind
 */
export function observeHolders(system: System, server: DhcpServer): DhcpState[] {
  const shared = { demanded: false, resolver: readResolver(system) };
  if (server === 'dhcpd') return isInstalled(system, 'dhcpd') ? [dhcpdState(system, shared)] : [];
  const hosts = hostDnsmasq(system);
  return [
    dnsmasqIn(system, shared, NAT_FOLDER, natDnsmasq()),
    ...(hosts === undefined ? [] : [dnsmasqIn(system, shared, DNSMASQ_FOLDER, hosts)]),
  ];
}

/** The host's own dnsmasq, whether it runs or not. */
function hostDnsmasq(system: System): Service | undefined {
  const control = system.exists(DNSMASQ_FOLDER) ? controlOf(system, ['dnsmasq']) : undefined;
  if (control === undefined) return undefined;
  return { program: 'dnsmasq', control, pidFiles: DNSMASQ_PIDS, files: [DNSMASQ_FOLDER] };
}

function bindsDevices(system: System, pid: number): boolean {
  const words = (system.readText(`/proc/${pid}/cmdline`) ?? '').split('\0');
  if (words.includes('--bind-interfaces') || words.includes('-z')) return true;
  const files = system.list(DNSMASQ_FOLDER).map((name) => `${DNSMASQ_FOLDER}/${name}`);
  return [DNSMASQ_CONF, ...files].some((path) => /^\s*bind-interfaces\b/m.test(system.readText(path) ?? ''));
}

function natDnsmasq(): Service {
  const [pid, leases] = [`${OWN_FOLDER}/nat.pid`, `${OWN_FOLDER}/nat.leases`];
  const words = ['--conf-file=/dev/null', '--port=0', '--bind-dynamic', '--except-interface=lo'];
  const places = [`--conf-dir=${NAT_FOLDER}`, `--pid-file=${pid}`, `--dhcp-leasefile=${leases}`];
  return {
    program: 'dnsmasq',
    control: { kind: 'process', argv: ['dnsmasq', ...words, '--dhcp-authoritative', ...places] },
    pidFiles: [pid],
    files: [NAT_FOLDER],
    neededFor: NAT_FOLDER,
    leavings: [pid, leases],
  };
}

function found(system: System, path: string): FoundFile {
  return { path, text: system.readBytes(path) ?? '' };
}

function firstOf(system: System, paths: readonly string[]): string | undefined {
  return paths.find((path) => system.exists(path));
}
