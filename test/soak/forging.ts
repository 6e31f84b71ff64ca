import { borrowedFrames } from '../support/frames/borrowed.ts';
import { forgedFrames } from '../support/frames/forged.ts';
import {
  type Hex,
  lladdr,
  mac,
  NDP,
  neighbour,
  num,
  PROTO,
  TYPE,
  tagged,
  udp,
} from '../support/frames/packets.ts';
import { arpFrame, type Identity, ipv4Frame, ipv6Frame, message } from '../support/frames/sender.ts';
import { wrappedFrames } from '../support/frames/wrapped.ts';
import { guestMac } from '../support/hosts/strict-host.ts';
import { isHeldStrictly, isPort, type Model, type Passage, passageBeyond, passageOnBridge } from './model.ts';
import { addressesOf, DOMIDS, gatewayOf } from './places.ts';

/** A frame that a guest sends, and what has to become of it. */
export interface Probe {
  readonly what: string;
  readonly frame: Hex;
  /** By what those that see it know it: an address that nobody else sends to, as nft writes it. */
  readonly mark: string;
  /** The namespaces that it has to come to; all others must not see it. */
  readonly to: readonly string[];
}

/** An address that is no guest's and no machine's. */
export const NOBODY: Identity = { mac: '00:16:3e:00:66:00', v4: '192.0.2.66', v6: '2001:db8:66::66' };
const GATEWAY_MAC = '02:00:00:00:00:99';
/** A guest has so many frames at most to be told apart. */
const MOST = 1024;

/** The MAC address that marks a frame; nobody has it, so a bridge shows the frame to all. */
const markMac = (domid: number, n: number): string => `02:f0:00:${hex(domid)}:${hex(n >> 8)}:${hex(n & 255)}`;
const markV4 = (domid: number, n: number): string => `198.${18 + (n >> 8)}.${domid}.${n & 255}`;
const markV6 = (domid: number, n: number): string => `2001:db8:99::${domid}:${n.toString(16)}`;
const hex = (n: number): string => num(n, 1);

function identityOf(model: Model, domid: number): Identity {
  const place = model.guests[domid]?.place ?? 'bridged';
  const { v4, v6 } = addressesOf(domid, place);
  return { mac: guestMac(domid), v4, v6: v6 ?? `2001:db8:77::${domid}` };
}

/** A router that is not the host, whose own addresses it takes from nobody. */
const ROUTER: Identity = { mac: GATEWAY_MAC, v4: '192.0.2.1', v6: '2001:db8:0::1' };

/** Whom a guest may want to be: nobody that there is, a gateway, and another one of some guests. */
function otherIdentities(
  model: Model,
  domid: number,
  gateway: Identity,
  guests: readonly number[] = DOMIDS,
): Record<string, Identity> {
  const place = model.guests[domid]?.place ?? 'bridged';
  const peers = guests.filter((other) => other !== domid && model.guests[other] !== undefined);
  const alike = peers.find((other) => model.guests[other]?.place === place) ?? peers[0];
  return {
    nobody: NOBODY,
    'its gateway': gateway,
    ...(alike === undefined ? {} : { [`guest ${alike}`]: identityOf(model, alike) }),
  };
}

/** Sources of IP packets that are another's, in all that may carry them. */
function forgedIp(self: Identity, other: Identity): Record<string, Hex> {
  return wrappedFrames({
    mac: self.mac,
    to: GATEWAY_MAC,
    from4: other.v4,
    to4: '192.0.2.250',
    from6: other.v6,
    to6: '2001:db8::250',
  });
}

const named = (frames: Readonly<Record<string, Hex>>, whose: string): [what: string, frame: Hex][] =>
  Object.entries(frames).map(([what, frame]) => [`${what}, as ${whose}`, frame]);

/** What a guest may forge on its bridge, as far as its filter has to refuse it. */
function forgedOnBridge(model: Model, domid: number, { refused }: Passage): [what: string, frame: Hex][] {
  if (refused === 'nothing') return [];
  const self = identityOf(model, domid);
  const [v4, v6 = ROUTER.v6] = gatewayOf(domid, model.guests[domid]?.place ?? 'bridged');
  const others = Object.entries(otherIdentities(model, domid, { mac: GATEWAY_MAC, v4, v6 }));
  const ip = others.flatMap(([whose, other]) => named(forgedIp(self, other), whose));
  if (refused === 'IP') return ip;
  const borrowed = others.flatMap(([whose, other]) => named(borrowedFrames(self, other), whose));
  return [...ip, ...borrowed, ...named(forgedFrames(self, NOBODY), 'nobody')];
}

/** A card has one neighbour that is the host; frames to others are not routed. */
type Beyond = readonly [what: string, frame: (mark: { readonly v4: string; readonly v6: string }) => Hex];

/** What the host would route, as far as the guest's filter has to refuse it. */
function forgedBeyond(
  model: Model,
  domid: number,
  { refused }: Passage,
  to: string,
): { readonly four: Beyond[]; readonly six: Beyond[] } {
  const self = identityOf(model, domid);
  const four =
    (from: string, sender = self): Beyond[1] =>
    ({ v4 }) =>
      ipv4Frame(sender, { from, to: v4, proto: PROTO.udp }, udp(1000, 2000), { to });
  const six =
    (from: string): Beyond[1] =>
    ({ v6 }) =>
      ipv6Frame(self, { from, to: v6, next: PROTO.udp }, udp(1000, 2000), { to });
  const inTag =
    (frame: Beyond[1]): Beyond[1] =>
    (mark) =>
      tagged(frame(mark), TYPE.vlan, 0);
  if (refused === 'nothing') return { four: [], six: [] };
  const isForeign = (other: number) => model.guests[other]?.place !== model.guests[domid]?.place;
  const peers = refused === 'foreign IP' ? DOMIDS.filter(isForeign) : DOMIDS;
  const others = Object.entries(otherIdentities(model, domid, ROUTER, peers));
  return {
    four: [
      ...others.flatMap(([whose, { v4 }]): Beyond[] => [
        [`IPv4 from the address of ${whose}`, four(v4)],
        [`IPv4 in an 802.1Q tag from the address of ${whose}`, inTag(four(v4))],
      ]),
      ...(refused === 'all'
        ? [['IPv4 from its address and the MAC address of nobody', four(self.v4, NOBODY)] as const]
        : []),
    ],
    six: others.flatMap(([whose, { v6 }]): Beyond[] => [
      [`IPv6 from the address of ${whose}`, six(v6)],
      [`IPv6 in an 802.1Q tag from the address of ${whose}`, inTag(six(v6))],
    ]),
  };
}

/**
 * What a guest says to the host of itself; that of another it must not come to believe.
 * @param model the host
 * @param domid the guest's domain
 * @returns frames of which nothing is to be seen elsewhere
 */
export function toldToHost(model: Model, domid: number): Hex[] {
  if (!isHeldStrictly(model, domid)) return [];
  const self = identityOf(model, domid);
  const place = model.guests[domid]?.place ?? 'bridged';
  const [v4, v6 = '2001:db8::2'] = gatewayOf(domid, place, 'the host');
  const solicit = neighbour(v6, lladdr(1, self.mac));
  return [
    arpFrame(self, { is: NOBODY.v4, asks: v4 }),
    arpFrame(self, { op: 2, is: NOBODY.v4, asks: v4 }),
    message(self, NOBODY.v6, NDP.solicit, solicit, v6),
  ];
}

/** Frames of a guest on a bridge, each to a MAC address of its own. */
function probesOnBridge(model: Model, domid: number): Probe[] {
  const [guest, passage] = [model.guests[domid], passageOnBridge(model, domid)];
  if (guest === undefined || passage === undefined) return [];
  const self = identityOf(model, domid);
  const peers = DOMIDS.filter((other) => {
    const { place, mode } = model.guests[other] ?? {};
    return other !== domid && place === guest.place && mode !== 'disabled';
  });
  const all = [...(guest.place === 'bridged' ? ['gw-eth1'] : []), ...peers.map((other) => `guest${other}`)];
  const own = wrappedFrames({
    mac: self.mac,
    to: GATEWAY_MAC,
    from4: self.v4,
    to4: '192.0.2.250',
    from6: self.v6,
    to6: '2001:db8::250',
  });
  const families = addressesOf(domid, guest.place).v6 === undefined ? ['IPv4'] : ['IPv4', 'IPv6'];
  type Frame = readonly [what: string, frame: Hex, to: readonly string[]];
  const frames = [
    ...families.map(
      (family): Frame => [`honest ${family}`, own[family] ?? '', passage.honest === true ? all : []],
    ),
    ...forgedOnBridge(model, domid, passage).map(([what, frame]): Frame => [what, frame, []]),
  ];
  return frames.map(([what, frame, to], n) => {
    const mark = markMac(domid, n);
    return { what: `${what} of guest ${domid} on its bridge`, frame: mac(mark) + frame.slice(12), mark, to };
  });
}

/** Packets that the host routes, each to an address of its own. */
function probesBeyond(model: Model, domid: number, hostSide: (domid: number) => string): Probe[] {
  const [guest, passage] = [model.guests[domid], passageBeyond(model, domid)];
  if (guest === undefined || passage === undefined) return [];
  const self = identityOf(model, domid);
  const to = hostSide(domid);
  const { nat, route } = model.networks;
  // network-virtual forwards IPv4 alone.
  const hasIpv6 = nat !== undefined || route !== undefined;
  const isSent6 = hasIpv6 && addressesOf(domid, guest.place).v6 !== undefined;
  const honest = { from4: self.v4, from6: self.v6 };
  const arrives = passage.honest === true ? ['gw-eth0'] : [];
  const { four, six } = forgedBeyond(model, domid, passage, to);
  const own = (n: number) => ({ v4: markV4(domid, n), v6: markV6(domid, n) });
  const probe = (what: string, frame: Hex, mark: string, at: readonly string[]): Probe => ({
    what: `${what} of guest ${domid} beyond the host`,
    frame,
    mark,
    to: at,
  });
  return [
    probe(
      'an honest IPv4 packet',
      ipv4Frame(self, { from: honest.from4, to: own(0).v4, proto: PROTO.udp }, udp(1000, 2000), { to }),
      own(0).v4,
      arrives,
    ),
    ...(isSent6
      ? [
          probe(
            'an honest IPv6 packet',
            ipv6Frame(self, { from: honest.from6, to: own(1).v6, next: PROTO.udp }, udp(1000, 2000), { to }),
            own(1).v6,
            arrives,
          ),
        ]
      : []),
    ...four.map(([what, frame], n) => probe(what, frame(own(n + 2)), own(n + 2).v4, [])),
    ...six.map(([what, frame], n) => probe(what, frame(own(n + 2)), own(n + 2).v6, [])),
  ];
}

/**
 * All that a guest sends to be looked for elsewhere.
 * @param model the host
 * @param domid the guest's domain
 * @param hostSide the MAC address to which a guest sends what leaves its network
 * @throws Error when there are too many to be told apart
 */
export function probesOf(model: Model, domid: number, hostSide: (domid: number) => string): Probe[] {
  const probes = [...probesOnBridge(model, domid), ...probesBeyond(model, domid, hostSide)];
  if (probes.length > MOST) throw new Error(`Guest ${domid} has ${probes.length} frames, more than ${MOST}.`);
  return probes;
}

/** The namespaces in which frames may be seen. */
export function watchersOf(model: Model): string[] {
  const ports = DOMIDS.filter((domid) => {
    const guest = model.guests[domid];
    return guest !== undefined && isPort(guest);
  });
  return ['gw-eth0', 'gw-eth1', ...ports.map((domid) => `guest${domid}`)];
}
