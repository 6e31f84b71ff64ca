import { type Family, ipv4Octets, ipv6Groups } from '../request/addresses.ts';
import { META } from '../wire/nf/expressions.ts';
import type { NfBatch } from '../wire/nf/messages.ts';
import { maskWord, type NfExpressions, type NfRange, NfWriter } from '../wire/nf/rules.ts';
import type { WantedRule } from '../wire/nf/rules-listing.ts';

/** A line of iptables-restore for a table. */
export interface TableLine {
  readonly table: string;
  readonly line: string;
}

/** The numbers of the address families (linux/socket.h). */
export const AF: Readonly<Record<Family, number>> = { 4: 2, 6: 10 };
/** The offsets of the addresses in a network header. */
const SOURCE: Readonly<Record<Family, number>> = { 4: 12, 6: 8 };
const DESTINATION: Readonly<Record<Family, number>> = { 4: 16, 6: 24 };
const [UDP, ICMPV6] = [17, 58];
const PHYSDEV = new Map([
  ['--physdev-in', 1],
  ['--physdev-out', 2],
  ['--physdev-is-bridged', 4],
  ['--physdev-is-in', 8],
]);

/** The most rules that one batch deletes: each listed rule is compared with all of them. */
const MOST_DELETED = 64;
const MOST_WORDS = 24;
const WORDS = /"[^"]*"|\S+/g;
const NAME = /^\w{1,28}$/;
/** A device's name without a wildcard (a final "+") and without characters that mean something to iptables-restore. */
const DEVICE = /^\w[\w.-]{0,14}$/;
const COMMENT = /^"[\w .+-]{1,200}"$/;
const NUMBER = /^\d{1,5}$/;

/** A chain that iptables-nft makes with its table when the first rule needs it. */
export interface BuiltInChain {
  readonly table: string;
  readonly name: string;
  /** The numbers of linux/netfilter.h and linux/netfilter_ipv4.h. */
  readonly hook: number;
  readonly priority: number;
}

const BUILT_IN: readonly BuiltInChain[] = [
  { table: 'filter', name: 'INPUT', hook: 1, priority: 0 },
  { table: 'filter', name: 'FORWARD', hook: 2, priority: 0 },
  { table: 'filter', name: 'OUTPUT', hook: 3, priority: 0 },
  { table: 'raw', name: 'PREROUTING', hook: 0, priority: -300 },
  { table: 'raw', name: 'OUTPUT', hook: 3, priority: -300 },
];

/** What was found in the rulesets for a batch. */
export interface FoundRules {
  /** The handles of the rules that it deletes, in the order of the lines. */
  readonly handles: readonly Uint8Array[];
  /** The chains that it has to make first. */
  readonly missing: readonly BuiltInChain[];
  /** The generation of the rulesets in which that was found. */
  readonly generation: number;
}

/** For a batch that deletes no rule, and whose chains are there. */
export const NO_RULES_FOUND: FoundRules = { handles: [], missing: [], generation: 0 };

/**
 * The built-in chains of lines.
 * @param lines as for encodeRules
 * @returns each chain once; undefined where a line is for another chain, which iptables does not make either
 */
export function builtInChains(lines: readonly TableLine[]): BuiltInChain[] | undefined {
  const chains = new Set<BuiltInChain>();
  for (const { table, line } of lines) {
    const chain = BUILT_IN.find((one) => one.table === table && one.name === chainOf(line));
    if (chain === undefined) return undefined;
    chains.add(chain);
  }
  return [...chains];
}

/**
 * Encodes lines of iptables-restore as nf_tables messages, in the form that iptables-nft uses. Only the few kinds of
 * rules are supported that a guest's device needs when it comes online and goes offline (docs/contract.md, "Filter
 * rules"). Where versions of iptables differ, the oldest form is used, since every version reads it.
 * @param family 4 or 6
 * @param lines such as "-I FORWARD -m physdev --physdev-out vif1.0 --physdev-is-bridged -j ACCEPT", or with -D
 * @param found the rules that lines with -D delete, and the chains to make
 * @returns undefined where a line is of another kind, for which iptables must run
 */
export function encodeRules(
  family: Family,
  lines: readonly TableLine[],
  found: FoundRules,
): NfBatch | undefined {
  const writer = new NfWriter(lines.length, found.generation);
  for (const { table, name, hook, priority } of found.missing)
    writer.makeChain(AF[family], table, name, { hook, priority });
  let taken = 0;
  for (const { table, line } of lines) {
    if (takesAway(line)) {
      const handle = found.handles[taken++];
      if (handle === undefined) return undefined;
      writer.deleteRule(AF[family], table, chainOf(line), handle);
    } else if (encodeRule(writer, family, table, line) === undefined) return undefined;
  }
  return writer.finish();
}

/**
 * The rules that lines delete, in the form in which the kernel lists them.
 * @param family 4 or 6
 * @param lines as above
 * @returns one for each line with -D; undefined where a line is of another kind
 */
export function rulesToFind(family: Family, lines: readonly TableLine[]): WantedRule[] | undefined {
  const wanted: WantedRule[] = [];
  for (const { table, line } of lines) {
    if (!takesAway(line)) continue;
    const expressions = encodeRule(new NfWriter(1, 0, true), family, table, line);
    if (expressions === undefined || wanted.length === MOST_DELETED) return undefined;
    let telling = expressions.counter[0] - 1;
    while (telling > 0 && expressions.bytes[telling] === 0) telling--;
    wanted.push({ table, chain: chainOf(line), telling, ...expressions });
  }
  return wanted;
}

function takesAway(line: string): boolean {
  return line.startsWith('-D ');
}

function chainOf(line: string): string {
  return line.split(' ', 2)[1] ?? '';
}

/** @returns undefined when the line cannot be encoded; the writer's content is then useless */
function encodeRule(
  writer: NfWriter,
  family: Family,
  table: string,
  line: string,
): NfExpressions | undefined {
  const words = line.match(WORDS) ?? [];
  const [verb = '', chain = ''] = words;
  if (!/^-[DI]$/.test(verb) || !NAME.test(chain) || !NAME.test(table) || words.length > MOST_WORDS)
    return undefined;
  const plain: Record<string, string> = {};
  let at = 2;
  for (; /^-[iopsd]$/.test(words[at] ?? ''); at += 2) {
    // iptables must refuse a repeated option.
    if (plain[words[at] ?? ''] !== undefined) return undefined;
    plain[words[at] ?? ''] = words[at + 1] ?? '';
  }
  const protocol = protocolOf(plain['-p']);
  if (protocol === undefined) return undefined;
  writer.beginRule(AF[family], table, chain);
  if (!encodePlain(writer, family, plain, protocol)) return undefined;
  while (words[at] === '-m') {
    const used = encodeMatch(writer, words.slice(at + 1), protocol);
    if (used === 0) return undefined;
    at += 1 + used;
  }
  writer.counter();
  const target = words.slice(at).join(' ');
  // struct xt_ct_target_info_v1
  if (target === '-j CT --notrack') writer.extension('target', 'CT', 2, 72).setUint16(0, 1, true);
  else if (target === '-j ACCEPT') writer.accept();
  else return undefined;
  return writer.endRule(protocol);
}

function protocolOf(word: string | undefined): number | undefined {
  if (word === undefined) return 0;
  if (word === 'udp') return UDP;
  return word === 'ipv6-icmp' ? ICMPV6 : undefined;
}

/** Writes the matches in iptables-nft's order, which differs from that of the words. */
function encodePlain(
  writer: NfWriter,
  family: Family,
  plain: Readonly<Record<string, string>>,
  protocol: number,
): boolean {
  const { '-i': input, '-o': output, '-s': source, '-d': destination } = plain;
  if (![input, output].every((name) => name === undefined || DEVICE.test(name))) return false;
  if (input !== undefined) writer.device(META.inputName, input);
  if (output !== undefined) writer.device(META.outputName, output);
  if (protocol !== 0) writer.protocol(protocol);
  for (const [text, offset] of [
    [source, SOURCE[family]],
    [destination, DESTINATION[family]],
  ] as const) {
    const range = text === undefined ? undefined : rangeOf(text, family);
    if (range !== undefined) writer.address(offset, range);
    else if (text !== undefined) return false;
  }
  return true;
}

/**
 * Reads an address with its prefix length. A range of all addresses restricts nothing, and iptables writes it in its
 * own way.
 */
function rangeOf(text: string, family: Family): NfRange | undefined {
  const [address = '', length = ''] = text.split('/');
  const units = family === 4 ? ipv4Octets(address) : ipv6Groups(address);
  const bits = NUMBER.test(length) ? Number(length) : 0;
  if (units === undefined || bits < 1 || bits > (family === 4 ? 32 : 128)) return undefined;
  const words: number[] = [];
  const [each, width] = family === 4 ? [4, 8] : [2, 16];
  for (let i = 0; i < units.length; i += each) {
    let word = 0;
    for (let j = i; j < i + each; j++) word = word * 2 ** width + (units[j] ?? 0);
    words.push((word & maskWord(bits - 32 * words.length)) >>> 0);
  }
  return { words, length: bits };
}

/** @returns how many words the match has, its name included; 0 when it cannot be encoded */
function encodeMatch(writer: NfWriter, words: readonly string[], protocol: number): number {
  const [name, first = '', second = '', third, fourth = ''] = words;
  if (name === 'physdev') return encodePhysdev(writer, words);
  if (name === 'comment' && first === '--comment' && COMMENT.test(second)) {
    put(writer.extension('match', name, 0, 256), 0, second.slice(1, -1));
    return 3;
  }
  if (name === 'udp' && protocol === UDP) {
    const [source, destination] = [port(second), port(fourth)];
    if (first !== '--sport' || third !== '--dport' || source < 0 || destination < 0) return 0;
    // struct xt_udp: ranges of ports
    const info = writer.extension('match', name, 0, 16);
    for (let i = 0; i < 4; i++) info.setUint16(2 * i, i < 2 ? source : destination, true);
    return 5;
  }
  if (name === 'icmp6' && protocol === ICMPV6) {
    const type = port(second);
    if (first !== '--icmpv6-type' || type < 0 || type > 255) return 0;
    // struct ip6t_icmp: a type, and a range of codes
    writer.extension('match', name, 0, 8).setUint32(0, type | (255 << 16), true);
    return 3;
  }
  if (name === 'addrtype' && `${first} ${second} ${third}` === '! --dst-type LOCAL') {
    // struct xt_addrtype_info_v1: the bit of RTN_LOCAL, and XT_ADDRTYPE_INVERT_DEST
    const info = writer.extension('match', name, 1, 8);
    info.setUint16(2, 1 << 2, true);
    info.setUint32(4, 2, true);
    return 4;
  }
  return 0;
}

/** struct xt_physdev_info: two names, each with a mask of the bytes to compare, and the bits of XT_PHYSDEV_OP. */
function encodePhysdev(writer: NfWriter, words: readonly string[]): number {
  const info = writer.extension('match', 'physdev', 0, 72);
  let at = 1;
  for (let flags = 0; ; info.setUint8(65, flags)) {
    const word = words[at] ?? '';
    const flag = PHYSDEV.get(word);
    if (flag === undefined) return flags === 0 ? 0 : at;
    if ((flags & flag) !== 0) return 0;
    flags |= flag;
    at++;
    if (flag > 2) continue;
    const name = words[at++] ?? '';
    if (!DEVICE.test(name)) return 0;
    const start = flag === 1 ? 0 : 32;
    put(info, start, name);
    for (let i = 0; i <= name.length; i++) info.setUint8(start + 16 + i, 255);
  }
}

function port(text: string): number {
  const value = NUMBER.test(text) ? Number(text) : -1;
  return value > 65535 ? -1 : value;
}

function put(view: DataView, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) view.setUint8(at + i, text.charCodeAt(i));
}
