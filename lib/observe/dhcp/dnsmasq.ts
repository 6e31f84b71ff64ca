import { DNSMASQ_FILES as OWN_FOLDER } from '../../record/paths.ts';
import type { System } from '../../system/system.ts';
import { GUEST_FILE_PREFIX, guestOfFile, hostOfFile, isOfBoot } from '../../wire/dhcp-conf.ts';
import { controlOf, processOf, type Service, wordsOf } from '../host/service.ts';
import { isGone, type ServerState, type Shared } from './server.ts';

/** The state of dnsmasq: the host's own, or one that a hook starts for guests. */
export interface DnsmasqState extends ServerState {
  readonly server: 'dnsmasq';
  /** The folder whose files it reads. */
  readonly folder: string;
  /** Our files in it, by name. */
  readonly files: ReadonlyMap<string, string>;
  /** Our files whose guests are gone. Two with one address, or a device that does not exist, may end the server. */
  readonly goneFiles: readonly string[];
  /** Whether it only serves the devices that its files name. */
  readonly namesDevices: boolean;
  /** The id of this boot of the host; files of another boot belong to guests that are gone. */
  readonly boot: string;
}

const DNSMASQ_CONF = '/etc/dnsmasq.conf';
const DNSMASQ_FOLDER = '/etc/dnsmasq.d';
const DNSMASQ_PIDS = ['/run/dnsmasq/dnsmasq.pid', '/run/dnsmasq.pid'];
/** The folder of the files of the dnsmasq that a hook starts. */
const NAT_FOLDER = `${OWN_FOLDER}/nat.d`;

/**
 * The dnsmasq that serves guests.
 * @param system the way to the files and processes
 * @param shared the facts that both servers share
 */
export function dnsmasqState(system: System, shared: Shared): DnsmasqState {
  const hosts = hostDnsmasq(system);
  const pid = hosts === undefined ? undefined : processOf(system, hosts);
  // The host's dnsmasq is only used where it already runs, and not where it binds its devices: it would end when one of
  // them is missing, as after a power loss, and guests must not stop the host's DNS.
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
      .filter(
        ([name, text]) =>
          !isOfBoot(text, boot) ||
          isGone(system, { name: guestOfFile(name), address: hostOfFile(text)?.address }),
      )
      .map(([name]) => name),
    namesDevices: folder === NAT_FOLDER || others.some((text) => /^\s*interface\s*=/m.test(text)),
    service,
    running: processOf(system, service) !== undefined,
  };
}

/**
 * Every dnsmasq that may have guests' entries: ours, and the host's, whether it runs or not.
 * @param system the way to the files and processes
 * @param shared the facts that both servers share
 */
export function dnsmasqHolders(system: System, shared: Shared): DnsmasqState[] {
  const hosts = hostDnsmasq(system);
  const inFolder = dnsmasqIn(system, shared, DNSMASQ_FOLDER, hosts ?? natDnsmasq());
  return [
    dnsmasqIn(system, shared, NAT_FOLDER, natDnsmasq()),
    // Without a service on the host nobody reads the folder.
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
