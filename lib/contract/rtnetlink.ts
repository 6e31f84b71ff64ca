// The few of iproute2's commands that hooks give a guest's device, as messages of rtnetlink(7). Numbers are those of
// linux/rtnetlink.h, linux/if_link.h and linux/if_addr.h; all of Linux's machines that this program runs on are
// little-endian.
import { ipv4Octets, ipv6Groups } from './addresses.ts';

/** A request, without the header that the socket puts before it. */
export interface RtMessage {
  readonly type: number;
  /** Beside NLM_F_REQUEST and NLM_F_ACK. */
  readonly flags: number;
  readonly payload: Uint8Array;
}

/** `address flush`: a question and an answer, not one message. */
export interface RtFlush {
  readonly flush: true;
  readonly index: number;
}

export const RTM = {
  newLink: 16,
  newAddress: 20,
  delAddress: 21,
  getAddress: 22,
  newRoute: 24,
  delRoute: 25,
  newLinkProp: 108,
  delLinkProp: 109,
} as const;
const NLM = { replace: 0x100, exclusive: 0x200, create: 0x400, append: 0x800 } as const;
const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  master: 10,
  alias: 20,
  properties: 52 | 0x8000,
  altname: 53,
} as const;
const IFA = { address: 1, local: 2, flags: 8 } as const;
const RTA = { destination: 1, output: 4, priority: 6, preferredSource: 7 } as const;
const IFF_UP = 1;
const IFA_F_NODAD = 2;
const [AF_INET, AF_INET6] = [2, 10];

/**
 * The message for one `ip` command.
 * @param args the command's words, such as ['link', 'set', 'dev', 'vif1.0', 'up']
 * @param indexOf gives a device's index; may throw when there is none
 * @returns undefined for a command that only `ip` itself can do
 */
export function encodeIp(
  args: readonly string[],
  indexOf: (name: string) => number,
): RtMessage | RtFlush | undefined {
  const [object, verb, ...rest] = args;
  if (object === 'link' && verb === 'set') return encodeLinkSet(rest, indexOf);
  if (object === 'link' && verb === 'property') return encodeAltname(rest, indexOf);
  if (object === 'address' && verb === 'flush' && rest[0] === 'dev' && rest.length === 2)
    return { flush: true, index: indexOf(rest[1] ?? '') };
  if (object === 'address') return encodeAddress(verb ?? '', rest, indexOf);
  if (object === 'route') return encodeRoute(verb ?? '', rest, indexOf);
  return undefined;
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
  switch (word) {
    case 'name':
      return message(attribute(IFLA.name, cString(value)));
    case 'alias':
      return message(attribute(IFLA.alias, new TextEncoder().encode(value)));
    case 'mtu':
      return message(attribute(IFLA.mtu, u32(Number(value))));
    case 'master':
      return message(attribute(IFLA.master, u32(indexOf(value))));
    case 'address':
      return message(
        attribute(IFLA.address, new Uint8Array(value.split(':').map((octet) => Number.parseInt(octet, 16)))),
      );
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

const ADDRESS_VERBS = new Map([
  ['add', { type: RTM.newAddress, flags: NLM.create | NLM.exclusive }],
  ['replace', { type: RTM.newAddress, flags: NLM.create | NLM.replace }],
  ['del', { type: RTM.delAddress, flags: 0 }],
]);

/** ADDRESS/LENGTH dev NAME [nodad] */
function encodeAddress(
  verb: string,
  [prefix = '', dev, name = '', ...more]: readonly string[],
  indexOf: (name: string) => number,
): RtMessage | undefined {
  const kind = ADDRESS_VERBS.get(verb);
  const target = prefixBytes(prefix);
  const nodad = more.length === 1 && more[0] === 'nodad';
  if (kind === undefined || target === undefined || dev !== 'dev' || (more.length > 0 && !nodad))
    return undefined;
  const { family, length, bytes } = target;
  const header = new Uint8Array([family, length, 0, 0, ...u32(indexOf(name))]);
  const both = [attribute(IFA.local, bytes), attribute(IFA.address, bytes)];
  return {
    ...kind,
    payload: joined([header, ...both, ...(nodad ? [attribute(IFA.flags, u32(IFA_F_NODAD))] : [])]),
  };
}

const ROUTE_VERBS = new Map([
  ['add', { type: RTM.newRoute, flags: NLM.create | NLM.exclusive }],
  ['replace', { type: RTM.newRoute, flags: NLM.create | NLM.replace }],
  ['del', { type: RTM.delRoute, flags: 0 }],
]);
const [TABLE_MAIN, PROTOCOL_BOOT, SCOPE_UNIVERSE, SCOPE_LINK, SCOPE_NOWHERE, TYPE_UNICAST] = [
  254, 3, 0, 253, 255, 1,
];

/** PREFIX dev NAME [src ADDRESS] [metric N]: what a guest's address needs; anything more is left to `ip`. */
function encodeRoute(
  verb: string,
  [prefix = '', ...words]: readonly string[],
  indexOf: (name: string) => number,
): RtMessage | undefined {
  const kind = ROUTE_VERBS.get(verb);
  const target = prefixBytes(prefix);
  if (kind === undefined || target === undefined || words.length % 2 !== 0) return undefined;
  const options = new Map(
    words.flatMap((word, i) => (i % 2 === 0 ? [[word, words[i + 1] ?? ''] as const] : [])),
  );
  const device = options.get('dev');
  if (device === undefined || [...options.keys()].some((word) => !['dev', 'src', 'metric'].includes(word)))
    return undefined;
  const { family, length, bytes } = target;
  const source = prefixBytes(options.get('src') ?? prefix);
  if (source === undefined) return undefined;
  const deleting = kind.type === RTM.delRoute;
  const scope = deleting ? SCOPE_NOWHERE : family === AF_INET ? SCOPE_LINK : SCOPE_UNIVERSE;
  const header = new Uint8Array([
    family,
    length,
    0,
    0,
    TABLE_MAIN,
    deleting ? 0 : PROTOCOL_BOOT,
    scope,
    deleting ? 0 : TYPE_UNICAST,
    0,
    0,
    0,
    0,
  ]);
  const metric = options.get('metric');
  return {
    ...kind,
    payload: joined([
      header,
      attribute(RTA.destination, bytes),
      attribute(RTA.output, u32(indexOf(device))),
      ...(metric === undefined ? [] : [attribute(RTA.priority, u32(Number(metric)))]),
      ...(options.has('src') ? [attribute(RTA.preferredSource, source.bytes)] : []),
    ]),
  };
}

function prefixBytes(
  text: string,
): { readonly family: number; readonly length: number; readonly bytes: Uint8Array } | undefined {
  const [address = '', length] = text.split('/');
  const octets = ipv4Octets(address);
  if (octets !== undefined)
    return { family: AF_INET, length: Number(length ?? 32), bytes: new Uint8Array(octets) };
  const groups = ipv6Groups(address);
  if (groups === undefined) return undefined;
  return {
    family: AF_INET6,
    length: Number(length ?? 128),
    bytes: new Uint8Array(groups.flatMap((group) => [group >> 8, group & 255])),
  };
}

const NONE = new Uint8Array(0);

function linkHeader(index: number, flags: number, change: number): Uint8Array {
  return joined([new Uint8Array(4), u32(index), u32(flags), u32(change)]);
}

/** An attribute, filled up to a multiple of four bytes. */
function attribute(type: number, value: Uint8Array): Uint8Array {
  const length = 4 + value.length;
  const bytes = new Uint8Array((length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, length, true);
  view.setUint16(2, type, true);
  bytes.set(value, 4);
  return bytes;
}

function cString(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`);
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
