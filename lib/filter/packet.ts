import { isWithin, type Prefix, parsePrefix } from '../request/addresses.ts';

/** The state of a packet's connection in connection tracking. */
export type PacketState = 'new' | 'established';

/**
 * Checks the conditions of a rule, other than devices, for a packet.
 * @param source the packet's source address, or the range that contains it; undefined if it is unknown
 * @param state whether it is the first packet of its connection, or an answer
 * @returns a function of a rule's conditions (`FirewallRule.others`); a condition that it does not understand is false
 */
export function holdsFor(
  source: Prefix | undefined,
  state: PacketState = 'new',
): (conditions: readonly string[]) => boolean {
  return (conditions) => {
    for (let at = 0; at < conditions.length; at++) {
      const [word = '', next = ''] = conditions.slice(at, at + 2);
      const used = /^[[{]/.test(word)
        ? nftHolds(word, source, state)
        : iptablesHolds(word, next, source, state);
      if (!used) return false;
      if (word.startsWith('-')) at++;
    }
    return true;
  };
}

function iptablesHolds(word: string, value: string, source: Prefix | undefined, state: PacketState): boolean {
  if (word === '-s') return holds(value, source);
  if (word === '-m') return value === 'conntrack' || value === 'state';
  return (word === '--ctstate' || word === '--state') && value.split(',').includes(state.toUpperCase());
}

/** A match of nft in JSON. */
interface NftMatch {
  readonly match?: {
    readonly op: string;
    readonly left: {
      readonly payload?: { readonly field?: string };
      readonly ct?: { readonly key?: string };
    };
    readonly right: unknown;
  };
}

function nftHolds(text: string, source: Prefix | undefined, state: PacketState): boolean {
  const { match } = JSON.parse(text) as NftMatch;
  if (match === undefined || (match.op !== '==' && match.op !== 'in')) return false;
  const values = valuesOf(match.right);
  if (match.left.ct?.key === 'state') return values.includes(state);
  return match.left.payload?.field === 'saddr' && values.some((value) => holds(value, source));
}

/** Words, and ranges as ADDRESS/LENGTH; anything else becomes an empty word. */
function valuesOf(right: unknown): string[] {
  const { set, prefix } = (typeof right === 'object' && right !== null ? right : {}) as {
    readonly set?: unknown;
    readonly prefix?: { readonly addr: string; readonly len: number };
  };
  if (prefix !== undefined) return [`${prefix.addr}/${prefix.len}`];
  return [set ?? right]
    .flat()
    .map((value) => (typeof value === 'string' ? value : (valuesOf(value)[0] ?? '')));
}

function holds(range: string, source: Prefix | undefined): boolean {
  const outer = parsePrefix(range);
  return outer !== undefined && source !== undefined && isWithin(outer, source);
}
