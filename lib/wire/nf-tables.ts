// Messages of nf_tables (nfnetlink), and the few expressions that iptables' rules are made of. Numbers are those of
// linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h.
import { NESTED, NetlinkWriter } from './netlink-writer.ts';

/** Where a packet comes from or goes to, as a header's 32-bit words. */
export interface NfRange {
  /** One word for IPv4, four for IPv6; bits beyond the length are 0. */
  readonly words: readonly number[];
  /** How many bits count, 1 at least. */
  readonly length: number;
}

/** A rule's expressions as the kernel lists them. */
export interface NfExpressions {
  readonly bytes: Uint8Array;
  /** Where the counter stands, whose values are not known, and what follows it. */
  readonly counter: readonly [start: number, end: number];
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
const NFT_MSG_DELRULE = (NFNL_SUBSYS_NFTABLES << 8) | 8;
const RULE = { table: 1, chain: 2, handle: 3, expressions: 4, compatible: 5 } as const;
const NETWORK_HEADER = 1;
const NF_ACCEPT = 1;
/** More than a rule of 24 words can take. */
const MOST_OF_A_RULE = 2048;

/** Writes a batch that changes rules, message by message and expression by expression. */
export class NfWriter {
  readonly #out: NetlinkWriter;
  readonly #isListing: boolean;
  #expressions = 0;
  #counter: readonly [number, number] = [0, 0];

  /**
   * @param rules how many there will be
   * @param generation the one state of all rulesets in which the batch may be carried out; 0 for any
   * @param isListing write expressions as the kernel lists them: without marks for what is nested, and with what an
   * operation on bits is
   */
  constructor(rules: number, generation = 0, isListing = false) {
    this.#isListing = isListing;
    this.#out = new NetlinkWriter((rules + 1) * MOST_OF_A_RULE, !isListing);
    this.#out.begin(NFNL_BATCH_BEGIN, NLM_F_REQUEST, 0, NFNL_SUBSYS_NFTABLES);
    if (generation !== 0) this.#out.number(1, generation);
    this.#out.end();
  }

  /** @returns the whole batch; nothing may be written after it */
  finish(): NfBatch {
    const last = this.#out.sequence;
    this.#out.flag(NLM_F_ACK);
    this.#out.begin(NFNL_BATCH_END, NLM_F_REQUEST, 0, NFNL_SUBSYS_NFTABLES);
    this.#out.end();
    return { bytes: this.#out.from(0), last };
  }

  /**
   * Begins a rule, whose expressions follow.
   * @param family AF_INET or AF_INET6
   * @param table such as filter
   * @param chain such as FORWARD; the rule goes to its top
   */
  beginRule(family: number, table: string, chain: string): void {
    this.#out.begin(NFT_MSG_NEWRULE, NLM_F_REQUEST | NLM_F_CREATE, family, 0);
    this.#out.text(RULE.table, table);
    this.#out.text(RULE.chain, chain);
    this.#out.nest(RULE.expressions | NESTED);
    this.#expressions = this.#out.at;
  }

  /**
   * Ends a rule.
   * @param protocol the number of the transport protocol that it names, for those matches that depend on it; 0 for none
   * @returns its expressions
   */
  endRule(protocol: number): NfExpressions {
    const bytes = this.#out.from(this.#expressions);
    this.#out.close(0);
    this.#out.nest(RULE.compatible | NESTED);
    this.#out.number(1, protocol);
    this.#out.number(2, 0);
    this.#out.close(0);
    this.#out.end();
    return { bytes, counter: this.#counter };
  }

  /**
   * Takes a rule away.
   * @param family AF_INET or AF_INET6
   * @param table the rule's
   * @param chain the rule's
   * @param handle the eight bytes by which the kernel knows it
   */
  deleteRule(family: number, table: string, chain: string, handle: Uint8Array): void {
    this.#out.begin(NFT_MSG_DELRULE, NLM_F_REQUEST, family, 0);
    this.#out.text(RULE.table, table);
    this.#out.text(RULE.chain, chain);
    this.#out.nest(RULE.handle);
    this.#out.bytes(handle);
    this.#out.close(0);
    this.#out.end();
  }

  /** The name of the device that the packet came in or goes out by, NUL included. */
  device(key: number, name: string): void {
    this.#meta(key);
    this.#beginCompare();
    this.#out.string(name);
    this.#endExpression();
  }

  /** The transport protocol, behind all of IPv6's extension headers. */
  protocol(number: number): void {
    this.#meta(META.protocol);
    this.#beginCompare();
    this.#out.byte(number);
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
    this.#out.number(1, 1);
    this.#out.number(2, NETWORK_HEADER);
    this.#out.number(3, offset);
    this.#out.number(4, size);
    this.#endExpression();
    if (length < 8 * size) this.#mask(size, length);
    this.#beginCompare();
    for (const word of words) this.#out.word(word);
    this.#endExpression();
  }

  /** Keeps the first bits of what was loaded, and clears the others. */
  #mask(size: number, length: number): void {
    this.#beginExpression('bitwise');
    this.#out.number(1, 1);
    this.#out.number(2, 1);
    this.#out.number(3, size);
    if (this.#isListing) this.#out.number(6, 0);
    this.#out.nest(4 | NESTED);
    this.#out.nest(1);
    for (let i = 0; i < size; i += 4) this.#out.word(maskWord(length - 8 * i));
    this.#out.close(3);
    this.#out.nest(5 | NESTED);
    this.#out.nest(1);
    this.#out.at += size;
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
    this.#out.text(1, name);
    this.#out.number(2, revision);
    this.#out.nest(3);
    const view = this.#out.room(size);
    this.#endExpression();
    return view;
  }

  /** Counts packets and bytes. */
  counter(): void {
    const start = this.#out.at - this.#expressions;
    this.#beginExpression('counter');
    for (const type of [1, 2]) {
      this.#out.nest(type);
      this.#out.at += 8;
      this.#out.close(3);
    }
    this.#endExpression();
    this.#counter = [start, this.#out.at - this.#expressions];
  }

  /** Lets the packet pass. */
  accept(): void {
    this.#beginExpression('immediate');
    this.#out.number(1, 0);
    this.#out.nest(2 | NESTED);
    this.#out.nest(2 | NESTED);
    this.#out.number(1, NF_ACCEPT);
    this.#endExpression();
  }

  #meta(key: number): void {
    this.#beginExpression('meta');
    this.#out.number(2, key);
    this.#out.number(1, 1);
    this.#endExpression();
  }

  /** What was loaded must equal what is written next. */
  #beginCompare(): void {
    this.#beginExpression('cmp');
    this.#out.number(1, 1);
    this.#out.number(2, 0);
    this.#out.nest(3 | NESTED);
    this.#out.nest(1);
  }

  #beginExpression(name: string): void {
    this.#out.nest(1 | NESTED);
    this.#out.text(1, name);
    this.#out.nest(2 | NESTED);
  }

  /** Closes all that is open but the list of expressions. */
  #endExpression(): void {
    this.#out.close(1);
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
