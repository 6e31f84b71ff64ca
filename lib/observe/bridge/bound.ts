import { ipv6Text } from '../../request/addresses.ts';
import type { System } from '../../system/system.ts';
import type { Link } from '../host/host.ts';

/** 224.0.0.1 and ff02::1, ff01::1, which every device is in, as /proc/net/igmp and igmp6 write them. */
const OF_ALL = /^(010000E0|ff0[12]0{27}1|ff020{19}1ff[0-9a-f]{6})$/i;
/** Groups of routers and of bridges that listen in, which the kernel itself joins (RFC 4291, RFC 4286). */
const OF_ROUTERS = /^(020000E0|6A0000E0|ff0[125]0{27}2|ff020{26}6a)$/i;

/**
 * What listens on a device itself, by its number: sockets that are bound to it, and multicast groups that were joined on
 * it. They stay with the card when its addresses move, and hear nothing there (socket(7), SO_BINDTODEVICE; ip(7)).
 * @param system the way to ss and /proc
 * @param device the device
 * @returns words for each, with the process where the kernel tells it
 */
export function boundTo(system: System, { name, addresses }: Link): string[] {
  const joined = addresses.filter(({ flags }) => flags.has('autojoin')).map(({ local }) => local);
  return [...new Set([...sockets(system, name), ...groups(system, name, joined)])];
}

function sockets(system: System, device: string): string[] {
  const list = (...options: string[]) =>
    system.run(['ss', ...options], { isListing: true }).stdout.split('\n');
  const plain = list('-Hantupw').flatMap((line) => {
    const local = line.split(/\s+/).find((word) => word.includes(`%${device}:`));
    return local === undefined ? [] : [`${owner(line)} at ${local}`];
  });
  const raw = list('-H0ap').flatMap((line) =>
    line.split(/\s+/).includes(`*:${device}`) ? [`${owner(line)} by a packet socket`] : [],
  );
  return [...plain, ...raw];
}

function owner(line: string): string {
  const [, name, pid] = /users:\(\("([^"]*)",pid=(\d+)/.exec(line) ?? [];
  return name === undefined ? 'a socket' : `${name} (process ${pid})`;
}

/** Those that the kernel has joined for an address (autojoin) move with it. */
function groups(system: System, device: string, joined: readonly string[]): string[] {
  return [...groups4(system, device), ...groups6(system, device)]
    .filter((group) => !joined.includes(group))
    .map((group) => `the multicast group ${group}`);
}

/** A line for each device, and after it one for each group. */
function groups4(system: System, device: string): string[] {
  let own = false;
  return (system.readText('/proc/net/igmp') ?? '').split('\n').flatMap((line) => {
    const [, name] = /^\d+\s+(\S+)\s*:/.exec(line) ?? [];
    if (name !== undefined) own = name === device;
    const [, group = ''] = /^\t+([0-9A-F]{8}) /.exec(line) ?? [];
    if (!own || group === '' || OF_ALL.test(group) || OF_ROUTERS.test(group)) return [];
    const octets = (group.match(/../g) ?? []).reverse();
    return [octets.map((octet) => Number.parseInt(octet, 16)).join('.')];
  });
}

function groups6(system: System, device: string): string[] {
  return (system.readText('/proc/net/igmp6') ?? '').split('\n').flatMap((line) => {
    const [, name, group = ''] = line.trim().split(/\s+/);
    if (name !== device || OF_ALL.test(group) || OF_ROUTERS.test(group)) return [];
    return [ipv6Text((group.match(/.{4}/g) ?? []).map((each) => Number.parseInt(each, 16)))];
  });
}
