import { DNSMASQ_FILES as OWN_FOLDER } from '../../record/paths.ts';
import type { System } from '../../system/system.ts';
import { GUEST_FILE_PREFIX, guestOfFile, isOfBoot } from '../../wire/dhcp-conf.ts';
import { controlOf, processOf, type Service, wordsOf } from '../host/service.ts';
import { isGone, type ServerState, type Shared } from './server.ts';

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
  /** What this start of the host is known by: files of another one are of guests that are gone. */
  readonly boot: string;
}

const DNSMASQ_CONF = '/etc/dnsmasq.conf';
const DNSMASQ_FOLDER = '/etc/dnsmasq.d';
const DNSMASQ_PIDS = ['/run/dnsmasq/dnsmasq.pid', '/run/dnsmasq.pid'];
/** Where our own dnsmasq has its files. */
const NAT_FOLDER = `${OWN_FOLDER}/nat.d`;

/**
 * The dnsmasq that is to serve guests.
 * @param system the way to the files and processes
 * @param shared what does not depend on it
 */
export function dnsmasqState(system: System, shared: Shared): DnsmasqState {
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
  const boot = system.readText('/proc/sys/kernel/random/boot_id') ?? '';
  return {
    ...shared,
    server: 'dnsmasq',
    folder,
    files,
    boot,
    goneFiles: [...files]
      .filter(([name, text]) => !isOfBoot(text, boot) || isGone(system, guestOfFile(name)))
      .map(([name]) => name),
    namesDevices: folder === NAT_FOLDER || others.some((text) => /^\s*interface\s*=/m.test(text)),
    service,
    running: processOf(system, service) !== undefined,
  };
}

/**
 * The dnsmasq that may have guests' entries: our own, and the host's, whether it runs or not.
 * @param system the way to the files and processes
 * @param shared what does not depend on them
 */
export function dnsmasqHolders(system: System, shared: Shared): DnsmasqState[] {
  const hosts = hostDnsmasq(system);
  const inFolder = dnsmasqIn(system, shared, DNSMASQ_FOLDER, hosts ?? natDnsmasq());
  return [
    dnsmasqIn(system, shared, NAT_FOLDER, natDnsmasq()),
    // Without a service of the host's there is nobody who could read it.
    hosts === undefined ? { ...inFolder, running: false } : inFolder,
  ];
}

/** The host's own dnsmasq, whether it runs or not. */
function hostDnsmasq(system: System): Service | undefined {
  const control = system.exists(DNSMASQ_FOLDER) ? controlOf(system, ['dnsmasq']) : undefined;
  if (control === undefined) return undefined;
  return { program: 'dnsmasq', control, pidFiles: DNSMASQ_PIDS, files: [DNSMASQ_FOLDER] };
}

function bindsDevices(system: System, pid: number): boolean {
  const words = wordsOf(system, pid);
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
