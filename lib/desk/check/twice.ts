import { type Prefix, parseAddressList, prefixText } from '../../request/addresses.ts';
import type { CardWord, GuestFile } from '../../wire/config/guest-file.ts';
import { wordOf } from '../../wire/config/guest-file.ts';
import { placeText } from '../../wire/config/place.ts';
import { parseMac } from '../mac/mac.ts';
import type { Finding } from './finding.ts';
import { tried } from './finding.ts';
import { covers } from './prefixes.ts';

/** Something that a guest's card needs for itself alone. */
export interface Claim {
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
export function claimsOf(path: string, { name, cards }: GuestFile): Claim[] {
  const guest = name ?? path;
  return cards.flatMap((card) => {
    const claim = (word: CardWord, what: Claim['what'], value: string, range?: Prefix): Claim => ({
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
      ...(mac === undefined || address === undefined ? [] : [claim(mac, 'MAC address', address)]),
      ...(vifname?.value ? [claim(vifname, 'vifname', vifname.value)] : []),
      ...(ip === undefined || 'sentence' in ranges
        ? []
        : ranges.value.map((range) =>
            claim(ip, 'IP address', prefixText(range).replace(/\/(32|128)$/, ''), range),
          )),
    ];
  });
}

/**
 * Finds what two cards need though only one can have it.
 * @param claims what the cards of all known guests need
 * @param paths the files whose findings are wanted
 */
export function findTwice(claims: readonly Claim[], paths: ReadonlySet<string>): Finding[] {
  const byValue = new Map<string, Claim[]>();
  const wide = claims.filter(({ range }) => range !== undefined && !/^(32|128)$/.test(`${range.length}`));
  for (const claim of claims) {
    const key = `${claim.what} ${claim.value}`;
    const same = byValue.get(key);
    if (same === undefined) byValue.set(key, [claim]);
    else same.push(claim);
  }
  return claims.flatMap((claim) => {
    if (claim.path === undefined || !paths.has(claim.path)) return [];
    const same = byValue.get(`${claim.what} ${claim.value}`) ?? [];
    const other =
      same.find((each) => clash(claim, each)) ??
      wide.find((each) => isWithin(claim, each) && clash(claim, each));
    if (other === undefined) return [];
    const { path, line, column, what, value } = claim;
    return [
      {
        path,
        line,
        column,
        isMild: false,
        text: `The ${what} ${value} is that of ${otherText(claim, other)} too.`,
      },
    ];
  });
}

function isWithin({ range }: Claim, { range: wide }: Claim): boolean {
  return (
    range !== undefined && wide !== undefined && range.family === wide.family && covers(wide, range.address)
  );
}

/** Two files of one guest, and the running guest, are the same guest; two cards in one file are two cards. */
function clash(one: Claim, other: Claim): boolean {
  if (one === other) return false;
  if (one.guest !== other.guest) return true;
  return (
    one.path !== undefined &&
    one.path === other.path &&
    (one.line !== other.line || one.column !== other.column)
  );
}

function otherText(one: Claim, other: Claim): string {
  if (one.path === other.path) return `another card in line ${other.line}, column ${other.column}`;
  return other.path === undefined
    ? `the running guest ${other.guest} (${other.where})`
    : `the guest ${other.guest} (${other.where})`;
}
