import { ether, type Hex, ipv4, ipv6, num, PROTO, TYPE, udp, zeros } from './packets.ts';

/** PPPoE's session data (RFC 2516), MPLS, and Ethernet behind a provider's header (802.1ah). */
const PPPOE = 0x8864;
const MPLS = 0x8847;
const PBB = 0x88e7;
/** How far apart two ways of wrapping are in what a frame ends with, so that no two frames are alike. */
const PORTS = 6000;

/** Where a frame of IP comes from and goes to. */
export interface Sending {
  readonly mac: string;
  readonly to: string;
  readonly from4: string;
  readonly to4: string;
  readonly from6: string;
  readonly to6: string;
}

type Tags = readonly (readonly [type: number, tag: number])[];

/** Ways in which the kernel shows iptables what is in a frame, once it is told to. */
export const SEEN: readonly string[] = [
  'IPv4',
  'IPv6',
  '802.1Q with VID 0',
  '802.1Q with VID 10',
  '802.1ad with VID 0',
  '802.1ad with VID 10',
  'IPv6 in 802.1Q with VID 0',
  'IPv6 in 802.1ad with VID 10',
  'PPPoE',
  'IPv6 in PPPoE',
];

/**
 * UDP of IPv4 and IPv6 in all that may carry it.
 * @param sending whose
 */
export function wrappedFrames(sending: Sending): Record<string, Hex> {
  const { mac, to, from4, to4, from6, to6 } = sending;
  const four = ipv4({ from: from4, to: to4, proto: PROTO.udp }, udp(PORTS, PORTS));
  const six = ipv6({ from: from6, to: to6, next: PROTO.udp }, udp(PORTS, PORTS));
  const tagged = (tags: Tags, type: number = TYPE.ip, payload: Hex = four) =>
    ether(mac, type, payload, { to, tags });
  const session = (protocol: Hex, payload: Hex, tags: Tags = []) =>
    tagged(tags, PPPOE, `11000001${num((protocol + payload).length / 2, 2)}${protocol}${payload}`);
  const llc = (head: Hex, tags: Tags = []) => tagged(tags, (head + four).length / 2, head + four);
  const [q0, q10, ad0, ad10] = [
    [TYPE.vlan, 0],
    [TYPE.vlan, 10],
    [TYPE.qinq, 0],
    [TYPE.qinq, 10],
  ] as const;
  return {
    IPv4: tagged([]),
    IPv6: tagged([], TYPE.ip6, six),
    '802.1Q with VID 0': tagged([q0]),
    '802.1Q with VID 10': tagged([q10]),
    '802.1ad with VID 0': tagged([ad0]),
    '802.1ad with VID 10': tagged([ad10]),
    'IPv6 in 802.1Q with VID 0': tagged([q0], TYPE.ip6, six),
    'IPv6 in 802.1ad with VID 10': tagged([ad10], TYPE.ip6, six),
    PPPoE: session('0021', four),
    'IPv6 in PPPoE': session('0057', six),
    'two tags with VID 0': tagged([q0, q0]),
    'IPv6 behind two tags with VID 0': tagged([q0, q0], TYPE.ip6, six),
    '802.1Q in 802.1ad': tagged([ad10, q10]),
    '802.1ad in 802.1Q': tagged([q10, ad0]),
    'three tags': tagged([q0, q0, q0]),
    'the tag 0x9100': tagged([[0x9100, 10]]),
    'PPPoE behind two tags': session('0021', four, [q0, q0]),
    'PPPoE with a compressed protocol field': session('21', four),
    'compressed data in PPPoE': session('00fd', four),
    MPLS: tagged([], MPLS, `000101ff${four}`),
    'MPLS behind a tag': tagged([q0], MPLS, `000101ff${four}`),
    'provider backbone bridging': tagged([], PBB, `00000001${tagged([])}`),
    SNAP: llc('aaaa03000000' + '0800'),
    '802.1H': llc('aaaa030000f8' + '0800'),
    'LLC for IP': llc('060603'),
    'SNAP behind a tag': llc('aaaa03000000' + '0800', [q0]),
  };
}

/**
 * Frames that carry no IP, which antispoof=yes leaves alone.
 * @param sending whose
 */
export function otherFrames({ mac, to }: Sending): Record<string, Hex> {
  return {
    'ATA over Ethernet': ether(mac, 0x88a2, zeros(40), { to }),
    'what finds a PPPoE server': ether(mac, 0x8863, `1109000000040101${'0000'}`, { to }),
    'what negotiates in PPPoE': ether(mac, PPPOE, `110000010006${'c021'}01010004`, { to }),
    IPX: ether(mac, 0x8137, zeros(40), { to }),
    'IPX in 802.3': ether(mac, 40, `ffff${zeros(38)}`, { to }),
    AppleTalk: ether(mac, 40, `aaaa03080007809b${zeros(32)}`, { to }),
    'IPX behind a tag': ether(mac, 0x8137, zeros(40), { to, tags: [[TYPE.vlan, 10]] }),
  };
}
