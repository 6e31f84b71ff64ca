import { timeOfDay, wasClockSet } from '../../system/processes/clock.ts';
import type { System } from '../../system/system.ts';

/** A server on this host, and how to control it. */
export interface Service {
  /** The program's name, by which its process is recognised. */
  readonly program: 'dhcpd' | 'dnsmasq';
  readonly control: ServiceControl;
  /** The paths of its PID file. */
  readonly pidFiles: readonly string[];
  /** The files that it reads when it starts. */
  readonly files: readonly string[];
  /** A folder of ours: when it is empty the server has nothing to do and is stopped. */
  readonly neededFor?: string;
  /** Its own files, which go when it is stopped. */
  readonly leavings?: readonly string[];
}

export type ServiceControl =
  | { readonly kind: 'systemd'; readonly unit: string }
  | { readonly kind: 'init'; readonly script: string }
  /** No service manager controls it: its process is ended, and started with these words. */
  | { readonly kind: 'process'; readonly argv: readonly string[] };

const UNIT_FOLDERS = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/run/systemd/generator.late',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];

/**
 * How to control a service of this host: by systemd where that runs, otherwise by its init script.
 * @param system the way to the files
 * @param names the names of the service in various distributions, in the order to try
 * @returns undefined where the host has no such service
 */
export function controlOf(system: System, names: readonly string[]): ServiceControl | undefined {
  if (system.exists('/run/systemd/system')) {
    const unit = names.find((name) =>
      UNIT_FOLDERS.some((folder) => system.exists(`${folder}/${name}.service`)),
    );
    if (unit !== undefined) return { kind: 'systemd', unit };
  }
  const script = names.map((name) => `/etc/init.d/${name}`).find((path) => system.exists(path));
  return script === undefined ? undefined : { kind: 'init', script };
}

/**
 * The process of a service.
 * @param system the way to its PID file
 * @param service the service
 * @returns undefined where it does not run; a process id that another program has by now does not count
 */
export function processOf(system: System, service: Service): number | undefined {
  const numbers = service.pidFiles.map((path) => Number(system.readText(path)?.trim() || Number.NaN));
  if (service.control.kind === 'systemd') {
    const asked = ['systemctl', 'show', '--property=MainPID', '--value', service.control.unit];
    numbers.unshift(Number(system.run(asked).stdout.trim()));
  }
  return numbers.find((pid) => pid > 0 && isProcess(system, pid, service)) ?? byWords(system, service);
}

/**
 * The PID file may be gone, or from another run. Other network namespaces may have servers with the same command line.
 */
function byWords(system: System, service: Service): number | undefined {
  const network = (pid: number | string) => system.linkTarget(`/proc/${pid}/ns/net`);
  return system
    .list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find(
      (pid) =>
        isProcess(system, pid, service) &&
        readsFilesOf(system, pid, service) &&
        network(pid) === network('self'),
    );
}

/** A service manager's server has the distribution's command line, which names its files. */
function readsFilesOf(system: System, pid: number, { control, files, pidFiles }: Service): boolean {
  const places = [...files, ...pidFiles];
  const names = (word: string) =>
    places.some((path) => word === path || word.endsWith(`=${path}`) || word.startsWith(`${path},`));
  return control.kind === 'process' || wordsOf(system, pid).some(names);
}

function isProcess(system: System, pid: number, { program, control }: Service): boolean {
  if (system.readText(`/proc/${pid}/comm`) !== program || processFields(system, pid)[STATE] === 'Z')
    return false;
  if (control.kind !== 'process') return true;
  // There may be several dnsmasq; ours is the one with this command line.
  const words = wordsOf(system, pid);
  return control.argv.slice(1).every((word) => words.includes(word));
}

/**
 * The command line of a process.
 * @param system the way to /proc
 * @param pid the process id
 */
export function wordsOf(system: System, pid: number): string[] {
  return (system.readText(`/proc/${pid}/cmdline`) ?? '').split('\0').filter((word) => word !== '');
}

/**
 * The fields of proc(5)'s stat after the program's name, which may contain anything.
 * @param system the way to /proc
 * @param pid the process id
 */
export function processFields(system: System, pid: number): string[] {
  const stat = system.readText(`/proc/${pid}/stat`) ?? '';
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** How exactly the start of a process is known. */
const CLOCK_ERROR_MS = 50;

/**
 * Whether a server started after the last change of its files, so that it has read them.
 * @param system the way to /proc and the files
 * @param service the service
 * @param pid its process id
 */
export function hasRead(system: System, service: Service, pid: number): boolean {
  const changed = service.files.map((path) => system.modifiedAt(path) ?? 0);
  return startedAt(system, pid) > Math.max(...changed) + CLOCK_ERROR_MS;
}

const STATE = 0;
const START_TIME = 19;
const CLOCK_TICK_MS = 10;

/**
 * When a process started, for comparison with the times of files that this call has changed.
 * @returns milliseconds since 1970; minus infinity where the time of day was set during this call, as at boot, since
 * the times of files before that are of another clock
 */
function startedAt(system: System, pid: number): number {
  if (wasClockSet()) return Number.NEGATIVE_INFINITY;
  return timeOfDay() - ageOf(system, pid);
}

/**
 * Whether a process started within the given time.
 * @param system the way to /proc
 * @param pid the process id
 * @param ms milliseconds
 */
export function beganWithin(system: System, pid: number, ms: number): boolean {
  return ageOf(system, pid) < ms + CLOCK_ERROR_MS;
}

/**
 * How long a process has been running, in milliseconds, to a few hundredths of a second.
 * @param system the way to /proc
 * @param pid the process id
 */
export function ageOf(system: System, pid: number): number {
  const ticks = Number(processFields(system, pid)[START_TIME]);
  const uptime = Number((system.readText('/proc/uptime') ?? '').split(' ')[0]);
  return uptime * 1000 - ticks * CLOCK_TICK_MS;
}
