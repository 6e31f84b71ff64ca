import { type Hex, num } from '../frames/packets.ts';

const ETHER = 14;
const TAG = 4;
const EXTENSIONS = new Set([0, 43, 44, 51, 59, 60]);
const NONE = 59;
const FRAGMENT = 44;
const AUTH = 51;

/** How far a packet's headers can be followed. */
interface Transport {
  readonly proto: number;
  /** Where its header begins, from the network header on; undefined in a later fragment. */
  readonly at: number | undefined;
}

/**
 * A frame as nftables sees it when it comes in by a bridge's port (net/netfilter/nft_payload.c, nft_meta.c,
 * nft_exthdr.c; include/net/netfilter/nf_tables_ipv4.h and _ipv6.h). What cannot be loaded is undefined, and the rule
 * that asks for it ends there.
 */
export class NftPacket {
  readonly #bytes: Uint8Array;
  /** Where the network header begins: the outermost VLAN tag has been taken off. */
  readonly #network: number;
  readonly #transport: Transport | undefined;

  /** @param frame from the destination address on, without a checksum */
  constructor(frame: Hex) {
    this.#bytes = Uint8Array.from(frame.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
    const isTagged = ['8100', '88a8'].includes(this.link(12, 2) ?? '');
    this.#network = ETHER + (isTagged ? TAG : 0);
    this.#transport = this.protocol === '0800' ? this.#follow4() : this.#follow6();
  }

  /** The ethertype behind the outermost tag, which is `meta protocol`. */
  get protocol(): Hex | undefined {
    return this.link(this.#network - 2, 2);
  }

  /** The VLAN of the outermost tag, without its priority. */
  get vlanId(): Hex | undefined {
    const tag = this.link(ETHER, 2);
    return tag === undefined ? undefined : num(Number.parseInt(tag, 16) & 0xfff, 2);
  }

  /** `meta l4proto`. */
  get l4proto(): Hex | undefined {
    return this.#transport === undefined ? undefined : hex([this.#transport.proto]);
  }

  /** @ll: the frame as it was sent, tags and all. */
  link(offset: number, length: number): Hex | undefined {
    return this.#load(offset, length);
  }

  /** @nh */
  network(offset: number, length: number): Hex | undefined {
    return this.#load(this.#network + offset, length);
  }

  /** @th */
  transport(offset: number, length: number): Hex | undefined {
    const at = this.#transport?.at;
    return at === undefined ? undefined : this.network(at + offset, length);
  }

  /** A field of the fragment header, in place, with the bits beside it cleared. */
  fragment(offset: number, length: number, mask: number): Hex | undefined {
    if (this.protocol !== '86dd') return undefined;
    const found = this.#find(FRAGMENT);
    const field = found?.at === undefined ? undefined : this.network(found.at + offset, length);
    return field === undefined ? undefined : num(Number.parseInt(field, 16) & mask, length);
  }

  #load(at: number, length: number): Hex | undefined {
    return at + length > this.#bytes.length ? undefined : hex(this.#bytes.subarray(at, at + length));
  }

  #number(offset: number, length: number): number | undefined {
    const found = this.network(offset, length);
    return found === undefined ? undefined : Number.parseInt(found, 16);
  }

  get #length(): number {
    return this.#bytes.length - this.#network;
  }

  #follow4(): Transport | undefined {
    if (this.#length < 20) return undefined;
    const [start = 0, total = 0, flags = 0, proto = 0] = [
      this.#number(0, 1),
      this.#number(2, 2),
      this.#number(6, 2),
      this.#number(9, 1),
    ];
    const at = (start & 15) * 4;
    if (start >> 4 !== 4 || at < 20 || total > this.#length || total < at) return undefined;
    return { proto, at: (flags & 0x1fff) === 0 ? at : undefined };
  }

  #follow6(): Transport | undefined {
    const [start, payload] = [this.#number(0, 1), this.#number(4, 2)];
    if (this.protocol !== '86dd' || this.#length < 40 || start === undefined || payload === undefined)
      return undefined;
    return start >> 4 !== 6 || payload + 40 > this.#length ? undefined : this.#find(undefined);
  }

  /** The kernel's ipv6_find_hdr: the header wanted, or the one that ends the chain. */
  #find(wanted: number | undefined): Transport | undefined {
    let proto = this.#number(6, 1) ?? NONE;
    for (let at = 40; ; ) {
      const isFound = proto === wanted;
      if (!EXTENSIONS.has(proto) || proto === NONE)
        return wanted === undefined || isFound ? { proto, at } : undefined;
      const [next, length] = [this.#number(at, 1), this.#number(at + 1, 1)];
      if (next === undefined || length === undefined) return undefined;
      if (proto === FRAGMENT) {
        const field = this.#number(at + 2, 2);
        if (field === undefined) return undefined;
        if ((field & 0xfff8) !== 0) {
          if (wanted === undefined && (!EXTENSIONS.has(next) || next === NONE))
            return { proto: next, at: undefined };
          return isFound ? { proto, at } : undefined;
        }
      }
      if (isFound || (proto === AUTH && wanted === undefined)) return { proto, at };
      at += proto === FRAGMENT ? 8 : proto === AUTH ? (length + 2) * 4 : (length + 1) * 8;
      proto = next;
    }
  }
}

function hex(bytes: Uint8Array | readonly number[]): Hex {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
