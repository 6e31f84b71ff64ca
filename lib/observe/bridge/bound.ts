import { ipv6Text } from '../../request/addresses.ts';
import type { System } from '../../system/system.ts';
import type { Link } from '../host/host.ts';

/**
 * The groups of which every device is a member, 224.0.0.1, ff02::1 and ff01::1, as /proc/net/igmp and igmp6 write them.
 */
const OF_ALL = /^(010000E0|ff0[12]0{27}1|ff020{19}1ff[0-9a-f]{6})$/i;
/** Groups of routers and of snooping bridges, which the kernel itself joins (RFC 4291, RFC 4286). */
const OF_ROUTERS = /^(020000E0|6A0000E0|ff0[125]0{27}2|ff020{26}6a)$/i;

/**
 * What is bound to one device by its index: sockets, and multicast groups that were joined on it. They stay with the
 * card when its addresses move, and receive nothing there (socket(7), SO_BINDTODEVICE; ip(7)).
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

/** Groups that the kernel joined for an address (autojoin) move with the address. */
function groups(system: System, device: string, joined: readonly string[]): string[] {
  return [...groups4(system, device), ...groups6(system, device)]
    .filter((group) => !joined.includes(group))
    .map((group) => `the multicast group ${group}`);
}

/** /proc/net/igmp has a line for each device, followed by a line for each of its groups. */
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
