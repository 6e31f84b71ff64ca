import { type Prefix, parseAddressList, prefixText } from '../../request/addresses.ts';
import type { CardWord, GuestFile } from '../../wire/config/guest-file.ts';
import { wordOf } from '../../wire/config/guest-file.ts';
import { placeText } from '../../wire/config/place.ts';
import { parseMac } from '../mac/mac.ts';
import type { Finding } from './finding.ts';
import { tried } from './finding.ts';
import { covers } from './prefixes.ts';

/** Something that a guest's card needs for itself alone. */
export interface Use {
  readonly what: 'MAC address' | 'vifname' | 'IP address';
  readonly value: string;
  /** For an IP address its range. */
  readonly range?: Prefix;
  readonly guest: string;
  /** The position in a file; a running guest has none. */
  readonly path: string | undefined;
  readonly line: number;
  readonly column: number;
  /** The position in words. */
  readonly where: string;
}

/**
 * What the cards of a guest's file need for themselves alone.
 * @param path the file's path
 * @param file the file's content
 */
export function usesOf(path: string, { name, cards }: GuestFile): Use[] {
  const guest = name ?? path;
  return cards.flatMap((card) => {
    const use = (word: CardWord, what: Use['what'], value: string, range?: Prefix): Use => ({
      what,
      value,
      guest,
      path,
      line: word.line,
      column: word.column,
      where: placeText(path, word),
      ...(range === undefined ? {} : { range }),
    });
    const [mac, vifname, ip] = ['mac', 'vifname', 'ip'].map((key) => wordOf(card, key));
    const address = parseMac(mac?.value ?? '');
    const ranges = tried(() => parseAddressList(ip?.value ?? ''));
    return [
      ...(mac === undefined || address === undefined ? [] : [use(mac, 'MAC address', address)]),
      ...(vifname?.value ? [use(vifname, 'vifname', vifname.value)] : []),
      ...(ip === undefined || 'sentence' in ranges
        ? []
        : ranges.value.map((range) =>
            use(ip, 'IP address', prefixText(range).replace(/\/(32|128)$/, ''), range),
          )),
    ];
  });
}

/**
 * Finds what two cards need though only one can have it.
 * @param shared settings what the cards of all known guests need
 * @param paths the files whose findings are wanted
 */
export function findTwice(uses: readonly Use[], paths: ReadonlySet<string>): Finding[] {
  const byValue = new Map<string, Use[]>();
  const wide = uses.filter(({ range }) => range !== undefined && !/^(32|128)$/.test(`${range.length}`));
  for (const use of uses) {
    const key = `${use.what} ${use.value}`;
    const same = byValue.get(key);
    if (same === undefined) byValue.set(key, [use]);
    else same.push(use);
  }
  return uses.flatMap((use) => {
    if (use.path === undefined || !paths.has(use.path)) return [];
    const same = byValue.get(`${use.what} ${use.value}`) ?? [];
    const other =
      same.find((each) => clash(use, each)) ?? wide.find((each) => isWithin(use, each) && clash(use, each));
    if (other === undefined) return [];
    const { path, line, column, what, value } = use;
    return [
      {
        path,
        line,
        column,
        isMild: false,
        text: `The ${what} ${value} is that of ${otherText(use, other)} too.`,
      },
    ];
  });
}

function isWithin({ range }: Use, { range: wide }: Use): boolean {
  return (
    range !== undefined && wide !== undefined && range.family === wide.family && covers(wide, range.address)
  );
}

/**
 * Whether two uses exclude each other. Two files of one guest, and the running guest, are the same guest; two cards in
 * one file are two cards, and so are two devices of a running guest.
 * @param one a use
 * @param other another one
 */
export function clash(one: Use, other: Use): boolean {
  if (one === other) return false;
  if (one.guest !== other.guest) return true;
  if (one.path !== other.path) return false;
  return one.path === undefined
    ? one.where !== other.where
    : one.line !== other.line || one.column !== other.column;
}

function otherText(one: Use, other: Use): string {
  if (one.path === other.path) return `another card in line ${other.line}, column ${other.column}`;
  return other.path === undefined
    ? `the running guest ${other.guest} (${other.where})`
    : `the guest ${other.guest} (${other.where})`;
}
