// Messages of nf_tables (nfnetlink), and the few expressions that iptables' rules consist of. The numbers are from
// linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h.
import { NESTED, type NetlinkWriter } from '../netlink-writer.ts';
import { beginCompare, beginExpression, endExpression, immediate, loadMeta, META } from './expressions.ts';
import {
  beginBatch,
  CHAIN,
  type ChainPlace,
  CODE,
  endBatch,
  FLAG,
  MESSAGE,
  type NfBatch,
  RULE,
  writeBaseChain,
} from './messages.ts';

/** A range of source or destination addresses, as 32-bit words of the packet's header. */
export interface NfRange {
  /** One word for IPv4, four for IPv6; the bits beyond the length are 0. */
  readonly words: readonly number[];
  /** The prefix length in bits, 1 at least. */
  readonly length: number;
}

/** A rule's expressions as the kernel lists them. */
export interface NfExpressions {
  readonly bytes: Uint8Array;
  /** The offsets of the counter, whose values are not known. */
  readonly counter: readonly [start: number, end: number];
}

const NETWORK_HEADER = 1;
/** No rule of iptables in 24 words is longer, even with the chain that it is the first of. */
const MOST_OF_A_RULE = 2048;
/** For so many rules there is room from the start, which is more than a guest has; for others it is made. */
const USUAL_RULES = 16;

/** Writes a batch that changes rules, message by message and expression by expression. */
export class NfWriter {
  readonly #out: NetlinkWriter;
  readonly #isListing: boolean;
  #expressions = 0;
  #counter: readonly [number, number] = [0, 0];

  /**
   * @param rules how many rules will be written
   * @param generation the generation of all rulesets in which the kernel may carry out the batch; 0 for any
   * @param isListing writes expressions as the kernel lists them: nested attributes without their flag, and bit
   * operations with their kind
   */
  constructor(rules: number, generation = 0, isListing = false) {
    this.#isListing = isListing;
    const room = (Math.min(rules, USUAL_RULES) + 1) * MOST_OF_A_RULE;
    this.#out = beginBatch(room, { generation, isMarked: !isListing });
  }

  /** @returns the whole batch; nothing may be written after it */
  finish(): NfBatch {
    return endBatch(this.#out);
  }

  /**
   * Makes a chain for packets that are accepted unless a rule drops them, and its table where that does not exist.
   * @param family AF_INET or AF_INET6
   * @param table such as filter
   * @param name such as FORWARD; a chain of that name must not exist, or its policy becomes "accept"
   * @param place the numbers of the hook and of the priority there
   */
  makeChain(family: number, table: string, name: string, place: ChainPlace): void {
    this.#out.reserve(MOST_OF_A_RULE);
    this.#out.begin(MESSAGE.newTable, FLAG.request | FLAG.create, family);
    this.#out.text(CHAIN.table, table);
    this.#out.end();
    writeBaseChain(this.#out, family, table, name, place);
  }

  /**
   * Begins a rule; its expressions follow.
   * @param family AF_INET or AF_INET6
   * @param table such as filter
   * @param chain such as FORWARD; the rule goes to its top
   */
  beginRule(family: number, table: string, chain: string): void {
    this.#out.reserve(MOST_OF_A_RULE);
    this.#out.begin(MESSAGE.newRule, FLAG.request | FLAG.create, family);
    this.#out.text(RULE.table, table);
    this.#out.text(RULE.chain, chain);
    this.#out.nest(RULE.expressions | NESTED);
    this.#expressions = this.#out.at;
  }

  /**
   * Ends a rule.
   * @param protocol the number of the transport protocol that the rule matches, for matches that depend on it; 0 for
   * none
   * @returns the rule's expressions
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
   * Deletes a rule.
   * @param family AF_INET or AF_INET6
   * @param table the rule's table
   * @param chain the rule's chain
   * @param handle the rule's handle, eight bytes
   */
  deleteRule(family: number, table: string, chain: string, handle: Uint8Array): void {
    this.#out.reserve(MOST_OF_A_RULE);
    this.#out.begin(MESSAGE.delRule, FLAG.request, family);
    this.#out.text(RULE.table, table);
    this.#out.text(RULE.chain, chain);
    this.#out.nest(RULE.handle);
    this.#out.bytes(handle);
    this.#out.close(0);
    this.#out.end();
  }

  /** Matches the name of the input or output device, NUL included. */
  device(key: number, name: string): void {
    loadMeta(this.#out, key);
    beginCompare(this.#out);
    this.#out.string(name);
    endExpression(this.#out);
  }

  /** Matches the transport protocol, behind all IPv6 extension headers. */
  protocol(number: number): void {
    loadMeta(this.#out, META.protocol);
    beginCompare(this.#out);
    this.#out.byte(number);
    endExpression(this.#out);
  }

  /**
   * Matches an address in the packet's network header. Newer iptables shortens ranges of whole octets; every version
   * reads this form.
   * @param offset the address's offset in the header, in bytes
   * @param range the addresses that match
   */
  address(offset: number, { words, length }: NfRange): void {
    const size = 4 * words.length;
    beginExpression(this.#out, 'payload');
    this.#out.number(1, 1);
    this.#out.number(2, NETWORK_HEADER);
    this.#out.number(3, offset);
    this.#out.number(4, size);
    endExpression(this.#out);
    if (length < 8 * size) this.#mask(size, length);
    beginCompare(this.#out);
    for (const word of words) this.#out.word(word);
    endExpression(this.#out);
  }

  /** Keeps the first bits of the loaded value and clears the others. */
  #mask(size: number, length: number): void {
    beginExpression(this.#out, 'bitwise');
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
    endExpression(this.#out);
  }

  /**
   * Begins a match or a target of iptables.
   * @param kind match or target
   * @param name the extension's name
   * @param revision the revision of the extension's structure
   * @param size the structure's size in bytes, a multiple of eight
   * @returns a view of the structure, all zero, for the caller to fill
   */
  extension(kind: 'match' | 'target', name: string, revision: number, size: number): DataView {
    beginExpression(this.#out, kind);
    this.#out.text(1, name);
    this.#out.number(2, revision);
    this.#out.nest(3);
    const view = this.#out.room(size);
    endExpression(this.#out);
    return view;
  }

  /** Counts packets and bytes. */
  counter(): void {
    const start = this.#out.at - this.#expressions;
    beginExpression(this.#out, 'counter');
    for (const type of [1, 2]) {
      this.#out.nest(type);
      this.#out.at += 8;
      this.#out.close(3);
    }
    endExpression(this.#out);
    this.#counter = [start, this.#out.at - this.#expressions];
  }

  /** Lets the packet pass. */
  accept(): void {
    immediate(this.#out, CODE.accept);
  }
}

/**
 * A 32-bit mask whose first bits are 1.
 * @param bits how many; less than 0 counts as 0, more than 32 as 32
 */
export function maskWord(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0;
}
