// Messages of nf_tables (nfnetlink), and the few expressions that iptables' rules are made of. Numbers are those of
// linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h; numbers in attributes are in network order, headers in
// the machine's, which is little-endian wherever this program runs.

/** Where a packet comes from or goes to, as a header's 32-bit words. */
export interface NfRange {
  /** One word for IPv4, four for IPv6; bits beyond the length are 0. */
  readonly words: readonly number[];
  /** How many bits count, 1 at least. */
  readonly length: number;
}

/** Messages that the kernel takes as one transaction. */
export interface NfBatch {
  readonly bytes: Uint8Array;
  /** The number of the one message that is acknowledged, the last that changes something. */
  readonly last: number;
}

export const META = { inputName: 6, outputName: 7, protocol: 16 } as const;

const NFNL_BATCH_BEGIN = 16;
const NFNL_BATCH_END = 17;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_NEWRULE = (NFNL_SUBSYS_NFTABLES << 8) | 6;
const [NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE] = [1, 4, 0x400];
const NESTED = 0x8000;
const RULE = { table: 1, chain: 2, expressions: 4, compatible: 5 } as const;
const NETWORK_HEADER = 1;
const NF_ACCEPT = 1;
const HEADER = 16;
/** More than a rule of 24 words can take. */
const MOST_OF_A_RULE = 2048;

/** Writes a batch that puts rules at the top of chains, message by message and expression by expression. */
export class NfWriter {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  #at = 0;
  #sequence = 0;
  #message = 0;
  /** Where the attributes begin that are not closed yet. */
  readonly #open: number[] = [];

  /** @param rules how many there will be */
  constructor(rules: number) {
    this.#bytes = new Uint8Array((rules + 1) * MOST_OF_A_RULE);
    this.#view = new DataView(this.#bytes.buffer);
    this.#begin(NFNL_BATCH_BEGIN, NLM_F_REQUEST, 0, NFNL_SUBSYS_NFTABLES);
    this.#end();
  }

  /** @returns the whole batch; nothing may be written after it */
  finish(): NfBatch {
    const last = this.#sequence;
    this.#view.setUint16(this.#message + 6, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK, true);
    this.#begin(NFNL_BATCH_END, NLM_F_REQUEST, 0, NFNL_SUBSYS_NFTABLES);
    this.#end();
    return { bytes: this.#bytes.subarray(0, this.#at), last };
  }

  /**
   * Begins a rule, whose expressions follow.
   * @param family AF_INET or AF_INET6
   * @param table such as filter
   * @param chain such as FORWARD; the rule goes to its top
   */
  beginRule(family: number, table: string, chain: string): void {
    this.#begin(NFT_MSG_NEWRULE, NLM_F_REQUEST | NLM_F_CREATE, family, 0);
    this.#text(RULE.table, table);
    this.#text(RULE.chain, chain);
    this.#nest(RULE.expressions | NESTED);
  }

  /**
   * Ends a rule.
   * @param protocol the number of the transport protocol that it names, for those matches that depend on it; 0 for none
   */
  endRule(protocol: number): void {
    this.#close(0);
    this.#nest(RULE.compatible | NESTED);
    this.#number(1, protocol);
    this.#number(2, 0);
    this.#close(0);
    this.#end();
  }

  /** The name of the device that the packet came in or goes out by, NUL included. */
  device(key: number, name: string): void {
    this.#meta(key);
    this.#beginCompare();
    this.#string(name);
    this.#at++;
    this.#endExpression();
  }

  /** The transport protocol, behind all of IPv6's extension headers. */
  protocol(number: number): void {
    this.#meta(META.protocol);
    this.#beginCompare();
    this.#view.setUint8(this.#at++, number);
    this.#endExpression();
  }

  /**
   * An address in the packet's network header. Newer iptables shortens ranges of whole octets; this is the form that
   * every version reads.
   * @param offset where it stands, in bytes
   * @param range what it must be
   */
  address(offset: number, { words, length }: NfRange): void {
    const size = 4 * words.length;
    this.#beginExpression('payload');
    this.#number(1, 1);
    this.#number(2, NETWORK_HEADER);
    this.#number(3, offset);
    this.#number(4, size);
    this.#endExpression();
    if (length < 8 * size) this.#mask(size, length);
    this.#beginCompare();
    for (const word of words) this.#word(word);
    this.#endExpression();
  }

  /** Keeps the first bits of what was loaded, and clears the others. */
  #mask(size: number, length: number): void {
    this.#beginExpression('bitwise');
    this.#number(1, 1);
    this.#number(2, 1);
    this.#number(3, size);
    this.#nest(4 | NESTED);
    this.#nest(1);
    for (let i = 0; i < size; i += 4) this.#word(maskWord(length - 8 * i));
    this.#close(3);
    this.#nest(5 | NESTED);
    this.#nest(1);
    this.#at += size;
    this.#endExpression();
  }

  /**
   * Begins a match or a target of iptables' own, as the extension's structure.
   * @param kind which of them
   * @param name the extension's
   * @param revision the structure's
   * @param size the structure's in bytes, a multiple of eight; all zero so far
   * @returns a view of the structure, to be filled
   */
  extension(kind: 'match' | 'target', name: string, revision: number, size: number): DataView {
    this.#beginExpression(kind);
    this.#text(1, name);
    this.#number(2, revision);
    this.#nest(3);
    const view = new DataView(this.#bytes.buffer, this.#at, size);
    this.#at += size;
    this.#endExpression();
    return view;
  }

  /** Counts packets and bytes. */
  counter(): void {
    this.#beginExpression('counter');
    for (const type of [1, 2]) {
      this.#nest(type);
      this.#at += 8;
      this.#close(3);
    }
    this.#endExpression();
  }

  /** Lets the packet pass. */
  accept(): void {
    this.#beginExpression('immediate');
    this.#number(1, 0);
    this.#nest(2 | NESTED);
    this.#nest(2 | NESTED);
    this.#number(1, NF_ACCEPT);
    this.#endExpression();
  }

  #meta(key: number): void {
    this.#beginExpression('meta');
    this.#number(2, key);
    this.#number(1, 1);
    this.#endExpression();
  }

  /** What was loaded must equal what is written next. */
  #beginCompare(): void {
    this.#beginExpression('cmp');
    this.#number(1, 1);
    this.#number(2, 0);
    this.#nest(3 | NESTED);
    this.#nest(1);
  }

  #beginExpression(name: string): void {
    this.#nest(1 | NESTED);
    this.#text(1, name);
    this.#nest(2 | NESTED);
  }

  /** Closes all that is open but the list of expressions. */
  #endExpression(): void {
    this.#close(1);
  }

  #begin(type: number, flags: number, family: number, resource: number): void {
    const at = this.#at;
    this.#message = at;
    this.#view.setUint16(at + 4, type, true);
    this.#view.setUint16(at + 6, flags, true);
    this.#view.setUint32(at + 8, ++this.#sequence, true);
    this.#view.setUint8(at + HEADER, family);
    this.#view.setUint16(at + HEADER + 2, resource);
    this.#at = at + HEADER + 4;
  }

  #end(): void {
    this.#view.setUint32(this.#message, this.#at - this.#message, true);
  }

  #nest(type: number): void {
    this.#open.push(this.#at);
    this.#view.setUint16(this.#at + 2, type, true);
    this.#at += 4;
  }

  /** Closes attributes until so many are open. */
  #close(depth: number): void {
    for (let open = this.#open.length; open > depth; open--) {
      const start = this.#open.pop() ?? 0;
      this.#view.setUint16(start, this.#at - start, true);
      this.#at = (this.#at + 3) & ~3;
    }
  }

  #number(type: number, value: number): void {
    this.#view.setUint32(this.#at, 8 | (type << 16), true);
    this.#view.setUint32(this.#at + 4, value);
    this.#at += 8;
  }

  #text(type: number, text: string): void {
    const start = this.#at;
    this.#view.setUint16(start + 2, type, true);
    this.#at += 4;
    this.#string(text);
    this.#at++;
    this.#view.setUint16(start, this.#at - start, true);
    this.#at = (this.#at + 3) & ~3;
  }

  #string(text: string): void {
    for (let i = 0; i < text.length; i++) this.#bytes[this.#at++] = text.charCodeAt(i);
  }

  #word(value: number): void {
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
  }
}

/**
 * 32 bits of which the first few are 1.
 * @param bits how many; less than 0 is as good as 0, more than 32 as 32
 */
export function maskWord(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0;
}
