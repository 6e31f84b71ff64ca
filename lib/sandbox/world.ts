import { existsSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import type { Family } from '../contract/addresses.ts';
import { HostError } from '../errors.ts';
import { runChild } from './child.ts';

/** Where the hooks lie in the sandbox, as links to this program; /etc/xen/scripts on a real host. */
export const SCRIPTS = '/run/sandbox';
const XENSTORE_FOLDER = '/run/xenstored';
export const XENSTORE_SOCKET = `${XENSTORE_FOLDER}/socket`;
const DAD = '/proc/sys/net/ipv6/conf/default/accept_dad';

/** One of the machines: dom0 is where the program itself runs, any other a network namespace of this name. */
export interface Machine {
  readonly name: string;
  readonly mac: string;
  /** Of its eth0, without the prefix length. */
  readonly addresses: Readonly<Record<Family, string>>;
}

/** A domain with one NIC, vifDOMID.0 in dom0 and eth0 in itself. */
export interface Guest extends Machine {
  readonly domid: number;
  readonly vifname?: string;
}

// Addresses are those for documentation (RFC 5737, RFC 3849); no packet can meet a real one.
const LENGTHS: Readonly<Record<Family, number>> = { 4: 24, 6: 64 };
/** A network that dom0 reaches by a static route. */
const FAR_NETWORK = '198.51.100.0/24';

export const DOM0: Machine = machine('dom0', '02:00:00:00:00:02', 2);
export const GATEWAY: Machine = machine('gateway', '02:00:00:00:00:01', 1);
export const GUEST1: Guest = { ...machine('guest1', '00:16:3e:00:00:01', 11), domid: 1 };
export const GUEST2: Guest = { ...machine('guest2', '00:16:3e:00:00:02', 12), domid: 2, vifname: 'web' };
/** Its bridge is not there. */
export const GUEST3: Guest = { ...machine('guest3', '00:16:3e:00:00:03', 13), domid: 3 };

function machine(name: string, mac: string, number: number): Machine {
  return { name, mac, addresses: { 4: `192.0.2.${number}`, 6: `2001:db8::${number}` } };
}

/** The address families that this kernel has. */
export function families(): Family[] {
  return existsSync('/proc/net/if_inet6') ? [4, 6] : [4];
}

/**
 * An address with its prefix length.
 * @param owner the machine
 * @param family which of its addresses
 */
export function prefixOf(owner: Machine, family: Family): string {
  return `${owner.addresses[family]}/${LENGTHS[family]}`;
}

/**
 * Hides what of the real host a hook would read or write: the state under /run, its devices in /sys, its logs and its
 * administrator's post hooks. Then lays the links to the hooks and the folder of xenstore's socket.
 * @param hooks the names of all hooks
 * @throws HostError when a mount fails
 */
export async function furnish(hooks: readonly string[]): Promise<void> {
  await mount('-t', 'sysfs', 'sysfs', '/sys');
  await mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/run');
  if (!lstatSync('/var/run').isSymbolicLink()) await mount('--bind', '/run', '/var/run');
  for (const folder of ['/var/log/xen', '/etc/xen/scripts/vif-post.d']) {
    if (existsSync(folder)) await mount('-t', 'tmpfs', 'tmpfs', folder);
  }
  if (existsSync('/dev/log')) await mount('--bind', '/dev/null', '/dev/log');
  mkdirSync(XENSTORE_FOLDER);
  mkdirSync(SCRIPTS);
  for (const name of [...hooks, 'xen-network']) symlinkSync(process.execPath, `${SCRIPTS}/${name}`);
}

async function mount(...words: string[]): Promise<void> {
  const { status, stderr } = await runChild(['mount', '-n', ...words]);
  if (status !== 0) throw new HostError(`The sandbox cannot mount ${words.at(-1)}: ${stderr.trim()}`);
}

/**
 * Gives dom0 its NIC, with the gateway at the other end of the cable.
 * @throws HostError when the kernel refuses something
 */
export async function connectDom0(): Promise<void> {
  // Duplicate address detection would cost a second for each address.
  if (existsSync(DAD)) writeFileSync(DAD, '0');
  await addNamespace(GATEWAY);
  await ip(undefined, [
    'link set lo up',
    `link add eth0 address ${DOM0.mac} type veth peer name eth0 address ${GATEWAY.mac} netns ${GATEWAY.name}`,
    'link set eth0 up',
    ...families().flatMap((family) => addressLines(DOM0, family)),
    `route add ${FAR_NETWORK} via ${GATEWAY.addresses[4]}`,
  ]);
  await ip(GATEWAY, [
    'link set lo up',
    'link set eth0 up',
    ...families().map((family) => address(GATEWAY, family)),
  ]);
}

/**
 * Makes a guest: its end of the vif is ready, dom0's end down, as netback leaves it before the hook is called.
 * @param guest which one
 * @throws HostError when the kernel refuses something
 */
export async function createGuest(guest: Guest): Promise<void> {
  await addNamespace(guest);
  await ip(undefined, [
    `link add ${vifOf(guest)} type veth peer name eth0 address ${guest.mac} netns ${guest.name}`,
  ]);
  await ip(guest, [
    'link set lo up',
    'link set eth0 up',
    ...families().flatMap((family) => addressLines(guest, family)),
  ]);
}

/**
 * Takes a guest's vif away, as netback does when the domain has gone.
 * @param guest which one
 * @throws HostError when the kernel refuses
 */
export async function destroyGuest(guest: Guest): Promise<void> {
  await ip(guest, ['link delete eth0']);
}

/**
 * What the kernel calls a guest's device in dom0.
 * @param guest which one
 */
export function vifOf(guest: Guest): string {
  return `vif${guest.domid}.0`;
}

/**
 * A command as it runs on a machine.
 * @param on which one
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

async function addNamespace(of: Machine): Promise<void> {
  const { status, stderr } = await runChild(['ip', 'netns', 'add', of.name]);
  if (status !== 0) throw new HostError(`The sandbox cannot make the namespace ${of.name}: ${stderr.trim()}`);
}

async function ip(on: Machine | undefined, lines: readonly string[]): Promise<void> {
  const where = on === undefined ? [] : ['-n', on.name];
  const { status, stderr } = await runChild(['ip', ...where, '-batch', '-'], {
    input: `${lines.join('\n')}\n`,
  });
  if (status === 0) return;
  const at = Number(/-:(\d+)/.exec(stderr)?.[1] ?? '0');
  throw new HostError(
    `The sandbox cannot be set up: "ip ${lines[at - 1] ?? lines[0]}" on ${on?.name ?? DOM0.name} said: ${stderr.trim()}`,
  );
}
