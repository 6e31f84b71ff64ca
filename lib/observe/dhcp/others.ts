import type { System } from '../../system/system.ts';
import { wordsOf } from '../host/service.ts';

/** A process with a DHCP server's socket. */
interface Holder {
  readonly program: string;
  readonly pid: number;
  /** The device to which its socket is bound; undefined for one that receives on all. */
  readonly device: string | undefined;
}

/**
 * Another DHCP server that already serves a bridge: two servers on one link would answer the same guest.
 * @param system the way to ss and /proc
 * @param bridge the bridge
 * @param own the process id of our own server, if it runs
 * @returns its name for a message; undefined if there is none
 */
export function otherServer(system: System, bridge: string, own: number | undefined): string | undefined {
  const found = [...byPort(system), ...byPacket(system, bridge)].find(
    (holder) => holder.pid !== own && serves(system, holder, bridge),
  );
  return found === undefined ? undefined : `${found.program} (process ${found.pid})`;
}

/**
 * The program that has the port of DHCP servers open on all devices.
 * @param system the way to ss
 * @returns its name for a message; undefined if there is none
 */
export function portHolder(system: System): string | undefined {
  const found = byPort(system).find(({ device }) => device === undefined);
  return found === undefined ? undefined : `${found.program} (process ${found.pid})`;
}

function byPort(system: System): Holder[] {
  return system
    .run(['ss', '-Hanup'], { isListing: true })
    .stdout.split('\n')
    .flatMap((line) => {
      const [, device] = /\s\S*?(?:%(\S+))?:67\s/.exec(line) ?? [];
      return / \S*:67 /.test(line) ? holdersOf(line, device) : [];
    });
}

/** ISC's dhcpd listens on its devices with packet sockets; its other socket does not tell which devices it serves. */
function byPacket(system: System, bridge: string): Holder[] {
  const lines = system.run(['ss', '-H0ap'], { isListing: true }).stdout.split('\n');
  const own = lines.filter((line) => line.split(/\s+/).includes(`*:${bridge}`));
  return own.flatMap((line) => holdersOf(line, bridge)).filter(({ program }) => program === 'dhcpd');
}

function holdersOf(line: string, device: string | undefined): Holder[] {
  const [, program, pid] = /users:\(\("([^"]*)",pid=(\d+)/.exec(line) ?? [];
  return program === undefined ? [] : [{ program, pid: Number(pid), device }];
}

function serves(system: System, { program, pid, device }: Holder, bridge: string): boolean {
  if (device !== undefined) return device === bridge;
  if (program === 'dhcpd') return false;
  const named = program === 'dnsmasq' ? dnsmasqDevices(system, pid) : [];
  return named.length === 0 || named.some((name) => name === bridge || matches(name, bridge));
}

/** dnsmasq(8): the name of an interface may end with "*". */
function matches(name: string, bridge: string): boolean {
  return name.endsWith('*') && bridge.startsWith(name.slice(0, -1));
}

/** The devices that a dnsmasq serves, by its command line and its configuration; empty where it serves all. */
function dnsmasqDevices(system: System, pid: number): string[] {
  const words = wordsOf(system, pid);
  const after = (short: string, long: string) =>
    words.flatMap((word, i) => {
      if (word.startsWith(`--${long}=`)) return [word.slice(long.length + 3)];
      if (word === short || word === `--${long}`) return [words[i + 1] ?? ''];
      return word.startsWith(short) && !word.startsWith('--') && word.length > 2 ? [word.slice(2)] : [];
    });
  const [conf = '/etc/dnsmasq.conf'] = after('-C', 'conf-file');
  const text = system.readText(conf) ?? '';
  const inFile = [...text.matchAll(/^\s*interface\s*=\s*(\S+)/gm)].map(([, name = '']) => name);
  return [...after('-i', 'interface'), ...inFile].flatMap((names) => names.split(',')).filter(Boolean);
}
