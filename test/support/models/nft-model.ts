import { parsePrefix } from '../../../lib/request/addresses.ts';
import { type Hex, ip4, ip6, mac, num } from '../frames/packets.ts';
import { fieldOf, firstName, NAMES } from './nft-fields.ts';
import { NftPacket } from './nft-packet.ts';

/** What became of a frame, and whose chain said so. */
export interface Fate {
  readonly verdict: 'accept' | 'drop';
  readonly untracked: boolean;
}

type Verdict = readonly ['accept' | 'drop' | 'return' | 'continue'] | readonly ['jump' | 'goto', string];

interface Run {
  readonly packet: NftPacket;
  readonly port: string;
  untracked: boolean;
}

/** What a set's elements look like: a port's name, and ranges of bytes. */
interface SetElement {
  readonly port: string | undefined;
  readonly from: Hex;
  readonly to: Hex;
  readonly verdict: Verdict | undefined;
}

/**
 * nftables in memory, as far as the strict filter uses it: fed with the lines for `nft -f`, it tells what becomes of a
 * frame that comes in by a port.
 */
export class NftModel {
  readonly #chains = new Map<string, string[]>();
  readonly #sets = new Map<string, Map<string, SetElement>>();
  readonly #steps = new Map<string, (run: Run) => Verdict>();

  /** @param lines as given to `nft -f`; further ones by feed() */
  constructor(lines: readonly string[]) {
    this.feed(lines);
  }

  /**
   * Takes further lines.
   * @throws Error for a line of a kind that it does not know, or that nft would refuse
   */
  feed(lines: readonly string[]): void {
    for (const line of lines.flatMap((each) => each.split(/; (?=(?:add|delete) element)/))) {
      const [verb = '', kind = '', family, , name = '', ...rest] = line.split(' ');
      // The same chains again, for guests on no bridge.
      if (family === 'netdev') continue;
      const words = rest.join(' ');
      if (kind === 'set' || kind === 'map') this.#sets.set(name, this.#sets.get(name) ?? new Map());
      else if (kind === 'chain' && verb === 'flush') this.#chains.set(name, []);
      else if (kind === 'chain') this.#chains.set(name, this.#chains.get(name) ?? []);
      else if (kind === 'rule') this.#chain(name).push(words);
      else if (kind === 'element') this.#element(verb, name, words);
      else if (kind !== 'table') throw new Error(`The model knows no "${line}".`);
    }
  }

  /**
   * What becomes of a frame.
   * @param frame as it comes from the guest
   * @param port by which it comes
   * @param base the base chain that it goes through
   */
  fate(frame: Hex, port: string, base = 'from_guests'): Fate {
    const run: Run = { packet: new NftPacket(frame), port, untracked: false };
    const [verdict] = this.#walk(base, run);
    return { verdict: verdict === 'drop' ? 'drop' : 'accept', untracked: run.untracked };
  }

  #chain(name: string): string[] {
    const chain = this.#chains.get(name);
    if (chain === undefined) throw new Error(`There is no chain ${name}.`);
    return chain;
  }

  #element(verb: string, set: string, text: string): void {
    const elements = this.#sets.get(set);
    if (elements === undefined) throw new Error(`There is no set ${set}.`);
    const each = text.slice(2, -2).split(', ');
    if (each.length > 1) {
      for (const one of each) this.#element(verb, set, `{ ${one} }`);
      return;
    }
    if (verb === 'delete' && !elements.has(text)) throw new Error(`There is no element ${text} in ${set}.`);
    if (verb === 'delete') elements.delete(text);
    else elements.set(text, parseElement(text));
  }

  #walk(chain: string, run: Run): Verdict {
    for (const rule of this.#chain(chain)) {
      const step = this.#steps.get(rule) ?? this.#compile(rule);
      this.#steps.set(rule, step);
      const verdict = step(run);
      if (verdict[0] === 'goto') return this.#walk(verdict[1], run);
      if (verdict[0] === 'jump') {
        const inner = this.#walk(verdict[1], run);
        if (inner[0] === 'drop' || inner[0] === 'accept') return inner;
      } else if (verdict[0] !== 'continue') return verdict;
    }
    return ['continue'];
  }

  #compile(rule: string): (run: Run) => Verdict {
    const parts: ((run: Run) => Verdict | undefined)[] = [];
    let rest = rule;
    while (rest !== '') {
      const [part, left] = this.#part(rest);
      parts.push(part);
      rest = left.trim();
    }
    return (run) => {
      for (const part of parts) {
        const verdict = part(run);
        if (verdict !== undefined) return verdict;
      }
      return ['continue'];
    };
  }

  /** One statement: undefined lets the rule go on; a match that fails ends it. */
  #part(text: string): [(run: Run) => Verdict | undefined, string] {
    const verdict = /^(?:(drop|return|accept)|(jump|goto) (\S+))$/.exec(text);
    if (verdict !== null) return [() => verdictOf(text), ''];
    const other = /^(?:notrack|log prefix "[^"]*")/.exec(text);
    if (other !== null) {
      const notrack = text.startsWith('notrack');
      const mark = (run: Run) => {
        run.untracked ||= notrack;
        return undefined;
      };
      return [mark, text.slice(other[0].length)];
    }
    let names = [firstName(text)];
    while (text.startsWith(' . ', names.join(' . ').length))
      names = [...names, firstName(text.slice(names.join(' . ').length + 3))];
    const rest = text.slice(names.join(' . ').length);
    const match = /^(?: & (\S+)(?: \| (\S+))?)?(?: (vmap|!=|==|>))? (@\w+|\{[^}]*\}|\S+)/.exec(rest);
    if (match === null) throw new Error(`The model cannot read "${text}".`);
    const [whole, mask, bits, operator = '==', value = ''] = match;
    return [this.#match(names, [mask, bits], operator, value), rest.slice(whole.length)];
  }

  #match(
    names: readonly string[],
    mask: readonly (string | undefined)[],
    operator: string,
    value: string,
  ): (run: Run) => Verdict | undefined {
    const byPort = /^[io]ifname$/.test(names[0] ?? '');
    const own = byPort ? names.slice(1) : names;
    const fields = own.map(fieldOf);
    const set = value.startsWith('@') ? value.slice(1) : undefined;
    const values = set === undefined ? literals(own.join(), fields[0]?.bytes ?? 0, value) : [];
    return ({ packet, port }) => {
      const loaded = fields.map(({ needs, load }) =>
        needs.every((need) => need(packet)) ? load(packet) : undefined,
      );
      if (loaded.some((part) => part === undefined)) return ['continue'];
      const last = loaded.pop() ?? '';
      const key = `${loaded.join('')}${masked(last, mask)}`;
      const found =
        set === undefined
          ? values.find((each) => (operator === '>' ? key > each.from : each.from <= key && key <= each.to))
          : this.#lookUp(set, byPort ? port : undefined, key);
      if (operator === 'vmap') return found?.verdict ?? ['continue'];
      return (found === undefined) === (operator === '!=') ? undefined : ['continue'];
    };
  }

  #lookUp(set: string, port: string | undefined, key: Hex): SetElement | undefined {
    const elements = this.#sets.get(set);
    if (elements === undefined) throw new Error(`There is no set ${set}.`);
    return [...elements.values()].find(
      (each) => each.port === port && each.from <= key && key <= each.to && each.from.length === key.length,
    );
  }
}

function verdictOf(text: string): Verdict {
  const [word = '', chain = ''] = text.trim().split(' ');
  if (word === 'jump' || word === 'goto') return [word, chain];
  if (word === 'drop' || word === 'return' || word === 'accept') return [word];
  throw new Error(`The model knows no verdict ${text}.`);
}

/** `{ "vif1.0" . 00:16:3e:00:00:01 . 10.0.0.1 }`, with `: VERDICT` in a map. */
function parseElement(text: string): SetElement {
  const [, inner = ''] = /^\{ (.*) \}$/.exec(text) ?? [];
  const [key = '', verdict] = inner.split(' : ');
  const parts = key.split(' . ');
  const port = /^"(.*)"$/.exec(parts[0] ?? '')?.[1];
  const ranges = (port === undefined ? parts : parts.slice(1)).map(rangeOf);
  return {
    port,
    from: ranges.map(([from]) => from).join(''),
    to: ranges.map(([, to]) => to).join(''),
    verdict: verdict === undefined ? undefined : verdictOf(verdict),
  };
}

function rangeOf(text: string): readonly [Hex, Hex] {
  if (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text)) return [mac(text), mac(text)];
  if (/^\d+(-\d+)?$/.test(text)) {
    const [from = '', to = from] = text.split('-').map((part) => num(Number(part), 2));
    return [from, to];
  }
  if (text.startsWith('0x')) {
    const [from = '', to = from] = text.split('-').map((part) => part.slice(2));
    return [from, to];
  }
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`The model knows no value ${text}.`);
  const from = prefix.family === 4 ? ip4(prefix.address) : ip6(prefix.address);
  const host = (1n << BigInt(from.length * 4 - prefix.length)) - 1n;
  return [from, (BigInt(`0x${from}`) | host).toString(16).padStart(from.length, '0')];
}

/** `7`, `0x0101`, `ip6`, `10.0.0.1`, `{ a, b }`, `{ a : VERDICT, b : VERDICT }`. */
function literals(name: string, bytes: number, text: string): SetElement[] {
  const list = text.startsWith('{') ? text.slice(1, -1).split(',') : [text];
  return list.map((item) => {
    const [key = '', verdict] = item.split(' : ').map((part) => part.trim());
    const named = NAMES[`${name} ${key}`] ?? (/^(\d+|0x[0-9a-f]{1,12})$/.test(key) ? Number(key) : undefined);
    const [from, to] = named === undefined ? rangeOf(key) : [num(named, bytes), num(named, bytes)];
    return { port: undefined, from, to, verdict: verdict === undefined ? undefined : verdictOf(verdict) };
  });
}

/** A mask belongs to the last field of a key. */
function masked(value: Hex, [and, or]: readonly (string | undefined)[]): Hex {
  if (and === undefined) return value;
  const result = (BigInt(`0x${value}`) & bitsOf(and)) | (or === undefined ? 0n : bitsOf(or));
  return result.toString(16).padStart(value.length, '0');
}

function bitsOf(text: string): bigint {
  if (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text)) return BigInt(`0x${mac(text)}`);
  if (text.includes(':')) return BigInt(`0x${ip6(text)}`);
  return BigInt(text.includes('.') ? `0x${ip4(text)}` : text);
}
