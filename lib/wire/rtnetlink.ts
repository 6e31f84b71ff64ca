// The `ip` commands of the hooks, as rtnetlink(7) messages. The numbers are from linux/if_link.h.
import { encodeAddress } from './rtnetlink-address.ts';
import {
  AF_INET,
  AF_INET6,
  attribute,
  cString,
  joined,
  linkHeader,
  NLM,
  NONE,
  RTM,
  type RtMessage,
  u32,
  wordOf,
} from './rtnetlink-bytes.ts';
import { encodeRoute } from './rtnetlink-route.ts';

export { RTM, type RtMessage } from './rtnetlink-bytes.ts';

/** `address flush`: a list request and one message for each address, not a single message. */
export interface RtFlush {
  readonly flush: true;
  readonly index: number;
  /** AF_INET or AF_INET6; 0 for both. */
  readonly family: number;
}

const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  master: 10,
  alias: 20,
  group: 27,
  properties: 52 | 0x8000,
  linkInfo: 18,
  altname: 53,
} as const;
const IFF_UP = 1;
/** Words of `ip link set` that change a flag of the device: the flag's bit, and its value for "on". */
const FLAGS: ReadonlyMap<string, { readonly bit: number; readonly on: number }> = new Map([
  ['arp', { bit: 0x80, on: 0 }],
  ['promisc', { bit: 0x100, on: 0x100 }],
  ['allmulticast', { bit: 0x200, on: 0x200 }],
  ['multicast', { bit: 0x1000, on: 0x1000 }],
]);
const INFO = { kind: 1, data: 2 } as const;
const BRIDGE_OPTIONS: ReadonlyMap<string, number> = new Map([
  ['forward_delay', 1],
  ['stp_state', 5],
]);
const FLUSHED: ReadonlyMap<string, number> = new Map([
  ['0.0.0.0/0', AF_INET],
  ['::/0', AF_INET6],
]);

/**
 * The message for one `ip` command.
 * @param args the command's words, such as ['link', 'set', 'dev', 'vif1.0', 'up']
 * @param indexOf returns a device's index; may throw when there is no such device
 * @returns undefined for a command that only `ip` itself can do
 */
export function encodeIp(
  args: readonly string[],
  indexOf: (name: string) => number,
): RtMessage | RtFlush | undefined {
  const [object, verb, ...rest] = args;
  if (object === 'link' && verb === 'set') return encodeLinkSet(rest, indexOf);
  if (object === 'link' && verb === 'property') return encodeAltname(rest, indexOf);
  if (object === 'link' && verb === 'add') return encodeBridge(rest);
  if (object === 'link' && verb === 'del') return encodeLinkDel(rest, indexOf);
  if (object === 'address' && verb === 'flush') return encodeFlush(rest, indexOf);
  if (object === 'address') return encodeAddress(verb ?? '', rest, indexOf);
  if (object === 'route') return encodeRoute(verb ?? '', rest, indexOf);
  return undefined;
}

/**
 * Whether the kernel can do an `ip` command by a message, without `ip`.
 * @param args the command's words
 */
export function isKernelRequest(args: readonly string[]): boolean {
  return encodeIp(args, () => 1) !== undefined;
}

function encodeLinkSet(
  [dev, name = '', word, value, ...more]: readonly string[],
  indexOf: (name: string) => number,
): RtMessage | undefined {
  if (dev !== 'dev' || more.length > 0) return undefined;
  const message = (attributes: Uint8Array, flags = 0, change = 0): RtMessage => ({
    type: RTM.newLink,
    flags: 0,
    payload: joined([linkHeader(indexOf(name), flags, change), attributes]),
  });
  if (value === undefined) {
    if (word === 'up') return message(NONE, IFF_UP, IFF_UP);
    if (word === 'down') return message(NONE, 0, IFF_UP);
    return word === 'nomaster' ? message(attribute(IFLA.master, u32(0))) : undefined;
  }
  const flag = FLAGS.get(word ?? '');
  if (flag !== undefined) {
    if (value === 'on') return message(NONE, flag.on, flag.bit);
    return value === 'off' ? message(NONE, flag.on ^ flag.bit, flag.bit) : undefined;
  }
  switch (word) {
    case 'name':
      return message(attribute(IFLA.name, cString(value)));
    case 'alias':
      return message(attribute(IFLA.alias, new TextEncoder().encode(value)));
    case 'group':
      return /^\d+$/.test(value) ? message(attribute(IFLA.group, u32(Number(value)))) : undefined;
    case 'mtu':
      return message(attribute(IFLA.mtu, u32(Number(value))));
    case 'master':
      return message(attribute(IFLA.master, u32(indexOf(value))));
    case 'address':
      return message(attribute(IFLA.address, octets(value)));
    default:
      return undefined;
  }
}

function encodeAltname(
  [verb, dev, name = '', word, altname = '', ...more]: readonly string[],
  indexOf: (name: string) => number,
): RtMessage | undefined {
  if ((verb !== 'add' && verb !== 'del') || dev !== 'dev' || word !== 'altname' || more.length > 0)
    return undefined;
  const list = attribute(IFLA.properties, attribute(IFLA.altname, cString(altname)));
  const payload = joined([linkHeader(indexOf(name), 0, 0), list]);
  return verb === 'add'
    ? { type: RTM.newLinkProp, flags: NLM.create | NLM.exclusive | NLM.append, payload }
    : { type: RTM.delLinkProp, flags: 0, payload };
}

function octets(mac: string): Uint8Array {
  return new Uint8Array(mac.split(':').map((octet) => Number.parseInt(octet, 16)));
}

/** name NAME address MAC type bridge [stp_state N] [forward_delay CENTISECONDS] */
function encodeBridge(args: readonly string[]): RtMessage | undefined {
  const [word, name = '', address, mac = '', type, kind, ...options] = args;
  if (word !== 'name' || address !== 'address' || type !== 'type' || kind !== 'bridge') return undefined;
  if (options.length % 2 !== 0) return undefined;
  const data: Uint8Array[] = [];
  for (let i = 0; i < options.length; i += 2) {
    const [option, value] = [BRIDGE_OPTIONS.get(options[i] ?? ''), wordOf(options[i + 1] ?? '')];
    if (option === undefined || value === undefined) return undefined;
    data.push(attribute(option, u32(value)));
  }
  const info = [attribute(INFO.kind, cString(kind)), attribute(INFO.data, joined(data))];
  return {
    type: RTM.newLink,
    flags: NLM.create | NLM.exclusive,
    payload: joined([
      linkHeader(0, 0, 0),
      attribute(IFLA.name, cString(name)),
      attribute(IFLA.address, octets(mac)),
      attribute(IFLA.linkInfo, joined(info)),
    ]),
  };
}

function encodeLinkDel(
  [dev, name = '', ...more]: readonly string[],
  indexOf: (name: string) => number,
): RtMessage | undefined {
  if (dev !== 'dev' || more.length > 0) return undefined;
  return { type: RTM.delLink, flags: 0, payload: linkHeader(indexOf(name), 0, 0) };
}

/** dev NAME [to 0.0.0.0/0 | to ::/0] */
function encodeFlush(
  [dev, name = '', to, prefix, ...more]: readonly string[],
  indexOf: (name: string) => number,
): RtFlush | undefined {
  const family = to === undefined ? 0 : FLUSHED.get(prefix ?? '');
  if (dev !== 'dev' || (to !== undefined && to !== 'to') || family === undefined || more.length > 0)
    return undefined;
  return { flush: true, index: indexOf(name), family };
}
