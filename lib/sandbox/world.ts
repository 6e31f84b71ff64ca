import { HostError } from '../errors.ts';
import { families } from '../observe/host/host.ts';
import type { Family } from '../request/addresses.ts';
import type { System } from '../system/system.ts';
import { runChild } from './child.ts';

/** The folder of the hooks in the sandbox, as links to this program; /etc/xen/scripts on a real host. */
export const SCRIPTS = '/run/sandbox';
const XENSTORE_FOLDER = '/run/xenstored';
export const XENSTORE_SOCKET = `${XENSTORE_FOLDER}/socket`;
const DAD = '/proc/sys/net/ipv6/conf/default/accept_dad';

/** One of the machines: dom0 is the namespace of the program itself, any other a network namespace of this name. */
export interface Machine {
  readonly name: string;
  readonly mac: string;
  /** The addresses of its eth0, without prefix length. */
  readonly addresses: Readonly<Record<Family, string>>;
}

/** A domain with one NIC: vifDOMID.0 in dom0, eth0 in the guest. */
export interface Guest extends Machine {
  readonly domid: number;
  readonly vifname?: string;
}

// Addresses for documentation (RFC 5737, RFC 3849), so that no packet can reach a real machine.
const LENGTHS: Readonly<Record<Family, number>> = { 4: 24, 6: 64 };
/** A network that dom0 reaches by a static route. */
const FAR_NETWORK = '198.51.100.0/24';

export const DOM0: Machine = machine('dom0', '02:00:00:00:00:02', 2);
export const GATEWAY: Machine = machine('gateway', '02:00:00:00:00:01', 1);
export const GUEST1: Guest = { ...machine('guest1', '00:16:3e:00:00:01', 11), domid: 1 };
export const GUEST2: Guest = { ...machine('guest2', '00:16:3e:00:00:02', 12), domid: 2, vifname: 'web' };
/** Its bridge does not exist. */
export const GUEST3: Guest = { ...machine('guest3', '00:16:3e:00:00:03', 13), domid: 3 };

function machine(name: string, mac: string, number: number): Machine {
  return { name, mac, addresses: { 4: `192.0.2.${number}`, 6: `2001:db8::${number}` } };
}

/**
 * An address with its prefix length.
 * @param owner the machine
 * @param family the family of the address
 */
export function prefixOf(owner: Machine, family: Family): string {
  return `${owner.addresses[family]}/${LENGTHS[family]}`;
}

/**
 * Hides everything of the real host that a hook would read or write: the state under /run, the devices in /sys, the
 * logs, the installed hooks and the administrator's post hooks. Then makes the links to the hooks and the folder of xenstore's socket.
 * @param system the way to files and programs
 * @param hooks the names of all hooks
 * @throws HostError when a mount fails
 */
export function furnish(system: System, hooks: readonly string[]): void {
  mount(system, '-t', 'sysfs', 'sysfs', '/sys');
  mount(system, '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/run');
  if (system.linkTarget('/var/run') === undefined) mount(system, '--bind', '/run', '/var/run');
  for (const folder of ['/var/log/xen', '/etc/xen/scripts']) {
    if (system.exists(folder)) mount(system, '-t', 'tmpfs', 'tmpfs', folder);
  }
  if (system.exists('/dev/log')) mount(system, '--bind', '/dev/null', '/dev/log');
  runChild(system, ['mkdir', XENSTORE_FOLDER]);
  for (const name of [...hooks, 'xen-network']) system.link(`${SCRIPTS}/${name}`, process.execPath);
}

function mount(system: System, ...words: string[]): void {
  const { status, stderr } = runChild(system, ['mount', '-n', ...words]);
  if (status !== 0) throw new HostError(`The sandbox cannot mount ${words.at(-1)}: ${stderr.trim()}`);
}

/**
 * Gives dom0 its NIC, with the gateway at the other end of the cable.
 * @param system the way to programs
 * @throws HostError when the kernel refuses something
 */
export function connectDom0(system: System): void {
  // Duplicate address detection would take a second for each address.
  if (system.exists(DAD)) system.writeText(DAD, '0');
  addNamespace(system, GATEWAY);
  ip(system, undefined, [
    'link set lo up',
    `link add eth0 address ${DOM0.mac} type veth peer name eth0 address ${GATEWAY.mac} netns ${GATEWAY.name}`,
    'link set eth0 up',
    ...families(system).flatMap((family) => addressLines(DOM0, family)),
    `route add ${FAR_NETWORK} via ${GATEWAY.addresses[4]}`,
  ]);
  ip(system, GATEWAY, [
    'link set lo up',
    'link set eth0 up',
    ...families(system).map((family) => address(GATEWAY, family)),
  ]);
}

/**
 * Makes a guest. Its own end of the vif is up, dom0's end is down, as netback leaves it before the hook is called.
 * @param system the way to programs
 * @param guest the guest
 * @throws HostError when the kernel refuses something
 */
export function createGuest(system: System, guest: Guest): void {
  addNamespace(system, guest);
  ip(system, undefined, [
    `link add ${vifOf(guest)} type veth peer name eth0 address ${guest.mac} netns ${guest.name}`,
  ]);
  ip(system, guest, [
    'link set lo up',
    'link set eth0 up',
    ...families(system).flatMap((family) => addressLines(guest, family)),
  ]);
}

/**
 * Removes a guest's vif, as netback does when the domain is gone.
 * @param system the way to programs
 * @param guest the guest
 * @throws HostError when the kernel refuses
 */
export function destroyGuest(system: System, guest: Guest): void {
  ip(system, guest, ['link delete eth0']);
}

/**
 * The kernel's name of a guest's device in dom0.
 * @param guest the guest
 */
export function vifOf(guest: Guest): string {
  return `vif${guest.domid}.0`;
}

/**
 * The command line that runs a command on a machine.
 * @param on the machine
 * @param words the command
 */
export function commandOn(on: Machine, words: readonly string[]): string[] {
  return on.name === DOM0.name ? [...words] : ['ip', 'netns', 'exec', on.name, ...words];
}

function addressLines(owner: Machine, family: Family): string[] {
  return [address(owner, family), `route add default via ${GATEWAY.addresses[family]}`];
}

function address(owner: Machine, family: Family): string {
  return `address add ${prefixOf(owner, family)} ${family === 4 ? 'broadcast +' : 'nodad'} dev eth0`;
}

function addNamespace(system: System, of: Machine): void {
  const { status, stderr } = runChild(system, ['ip', 'netns', 'add', of.name]);
  if (status !== 0) throw new HostError(`The sandbox cannot make the namespace ${of.name}: ${stderr.trim()}`);
}

function ip(system: System, on: Machine | undefined, lines: readonly string[]): void {
  const where = on === undefined ? [] : ['-n', on.name];
  const { status, stderr } = runChild(system, ['ip', ...where, '-batch', '-'], {
    input: `${lines.join('\n')}\n`,
  });
  if (status === 0) return;
  const at = Number(/-:(\d+)/.exec(stderr)?.[1] ?? '0');
  throw new HostError(
    `The sandbox cannot be set up: "ip ${lines[at - 1] ?? lines[0]}" on ${on?.name ?? DOM0.name} said: ${stderr.trim()}`,
  );
}
