import type { StrictGuest } from '../../../lib/filter/strict.ts';
import { linkLocal, type Prefix, parsePrefix } from '../../../lib/request/addresses.ts';
import { type Hex, ip4, ip6, mac } from './packets.ts';

/**
 * What a frame gives its sender out to be, told by its bytes alone and by nothing of the filter's rules.
 * @param frame from the destination address on
 * @param guest whose frame it is
 * @returns a sentence for each part of its identity that is not the guest's to make
 */
export function falseIdentity(frame: Hex, guest: StrictGuest): string[] {
  const at = (offset: number, length: number) => frame.slice(offset * 2, (offset + length) * 2);
  if (at(12, 2) === '8100') return taggedIdentity(frame, guest);
  const own = mac(guest.mac);
  const wrong: string[] = [];
  if (at(6, 6) !== own) wrong.push(`the MAC address ${at(6, 6)}`);
  const type = at(12, 2);
  if (type === '0806') wrong.push(...arpIdentity(at, guest));
  else if (type === '0800') wrong.push(...ipv4Identity(at, guest));
  else if (type === '86dd') wrong.push(...ipv6Identity(at, guest, frame.length / 2));
  else wrong.push(`the ethertype ${type}`);
  return wrong;
}

/** What is behind a tag counts as if there were none. */
function taggedIdentity(frame: Hex, guest: StrictGuest): string[] {
  const vlan = Number.parseInt(frame.slice(28, 32), 16) & 0xfff;
  const isOwnVlan = guest.vlans?.some(({ from, to }) => from <= vlan && vlan <= to) === true;
  const inner = frame.slice(0, 24) + frame.slice(32);
  if (inner.slice(24, 28) === '8100') return ['two tags'];
  return [...(isOwnVlan ? [] : [`the VLAN ${vlan}`]), ...falseIdentity(inner, guest)];
}

type Bytes = (offset: number, length: number) => Hex;

/** Whether an address is one that the guest may use. */
function isOwn(address: Hex, guest: StrictGuest): boolean {
  if (guest.addresses.length === 0) return true;
  const local = linkLocal(guest.mac);
  const all: Prefix[] = [...guest.addresses, ...[local].flatMap((text) => parsePrefix(text ?? '') ?? [])];
  return all.some(({ family, address: base, length }) => {
    const bytes = family === 4 ? ip4(base) : ip6(base);
    const shift = BigInt(bytes.length * 4 - length);
    return (
      bytes.length === address.length && BigInt(`0x${bytes}`) >> shift === BigInt(`0x${address}`) >> shift
    );
  });
}

function arpIdentity(at: Bytes, guest: StrictGuest): string[] {
  const [op, sender, address, asked] = [at(20, 2), at(22, 6), at(28, 4), at(38, 4)];
  const wrong = sender === mac(guest.mac) ? [] : [`the ARP sender ${sender}`];
  const isProbe = op === '0001' && address === '00000000' && asked.length === 8 && isOwn(asked, guest);
  if (!isProbe && !isOwn(address, guest)) wrong.push(`the ARP address ${address}`);
  return wrong;
}

function ipv4Identity(at: Bytes, guest: StrictGuest): string[] {
  const [source, proto] = [at(26, 4), at(23, 1)];
  const ports = 14 + (Number.parseInt(at(14, 1), 16) & 15) * 4;
  const isFirst = (Number.parseInt(at(20, 2), 16) & 0x1fff) === 0;
  const wrong: string[] = [];
  const beforeAddress =
    source === '00000000' && (proto === '02' || (proto === '11' && at(ports, 4) === '00440043'));
  if (!beforeAddress && !isOwn(source, guest)) wrong.push(`the IPv4 source ${source}`);
  if (!isFirst) return wrong;
  if (proto === '11' && at(ports + 2, 2) === '0044') wrong.push('to be a DHCP server');
  if (proto === '11' && at(ports + 2, 2) === '0043') wrong.push(...dhcpIdentity(at, ports + 8, guest));
  if (proto === '01' && ['05', '09'].includes(at(ports, 1))) wrong.push('to be a router');
  return wrong;
}

function dhcpIdentity(at: Bytes, start: number, guest: StrictGuest): string[] {
  const [card, address] = [at(start + 28, 6), at(start + 12, 4)];
  return [
    ...(at(start, 3) === '010106' ? [] : ['to be no DHCP client of an Ethernet card']),
    ...(at(start + 24, 4) === '00000000' ? [] : ['to be a DHCP relay']),
    ...(card === mac(guest.mac) ? [] : [`the DHCP client ${card}`]),
    ...(address === '00000000' || isOwn(address, guest) ? [] : [`the leased address ${address}`]),
  ];
}

const CHAIN = ['00', '2b', '2c', '33', '3c'];

function ipv6Identity(at: Bytes, guest: StrictGuest, length: number): string[] {
  const source = at(22, 16);
  const zero = '0'.repeat(32);
  const wrong = source === zero || isOwn(source, guest) ? [] : [`the IPv6 source ${source}`];
  let [proto, offset] = [at(20, 1), 54];
  let chained = false;
  while (CHAIN.includes(proto) && offset < length) {
    // What follows a later fragment's header is data.
    if (proto === '2c' && (Number.parseInt(at(offset + 2, 2), 16) & 0xfff8) !== 0) return wrong;
    const size = Number.parseInt(at(offset + 1, 1), 16);
    const next = at(offset, 1);
    offset += proto === '2c' ? 8 : proto === '33' ? (size + 2) * 4 : (size + 1) * 8;
    proto = next;
    chained = true;
  }
  if (proto === '11' && at(offset + 2, 2) === '0222') wrong.push('to be a DHCPv6 server');
  const asked = at(offset + 8, 1);
  if (proto === '11' && at(offset + 2, 2) === '0223' && !/^(0[1345689b]|14|24)$/.test(asked))
    wrong.push(`to be a DHCPv6 server or relay that says ${asked}`);
  const type = proto === '3a' ? Number.parseInt(at(offset, 1), 16) : 0;
  if ([130, 134, 137, 138, 149, 151, 153].includes(type)) wrong.push('to be a router');
  if (![133, 135, 136].includes(type)) return wrong;
  if (chained) wrong.push('neighbour discovery behind other headers');
  const target = at(offset + 8, 16);
  if ((type === 136 || (type === 135 && source === zero)) && !isOwn(target, guest))
    wrong.push(`the target ${target}`);
  const options = offset + (type === 133 ? 8 : 24);
  const end = 54 + Number.parseInt(at(18, 2), 16);
  for (let option = options; option < end; ) {
    // Behind its own address, and where an address counts for nobody, nothing is looked for among secure options.
    if (/^0[bcde]/.test(at(option, 1)) && (option > options || source === zero)) return wrong;
    const size = Number.parseInt(at(option + 1, 1), 16) * 8;
    if (!(size > 0)) return [...wrong, 'an option of no length'];
    if (['01', '02'].includes(at(option, 1)) && at(option + 2, 6) !== mac(guest.mac))
      wrong.push(`the link-layer address ${at(option + 2, 6)}`);
    option += size;
  }
  return wrong;
}
