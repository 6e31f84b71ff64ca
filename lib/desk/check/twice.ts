import { type Prefix, parseAddressList, prefixText } from '../../request/addresses.ts';
import type { CardWord, GuestFile } from '../../wire/config/guest-file.ts';
import { wordOf } from '../../wire/config/guest-file.ts';
import { placeText } from '../../wire/config/place.ts';
import { parseMac } from '../mac/mac.ts';
import type { Finding } from './finding.ts';
import { tried } from './finding.ts';
import { covers } from './prefixes.ts';

/** What a guest's card wants for itself. */
export interface Claim {
  readonly what: 'MAC address' | 'vifname' | 'IP address';
  readonly value: string;
  /** Of an IP address, the range. */
  readonly range?: Prefix;
  readonly guest: string;
  /** Where it is said; a running guest has no file. */
  readonly path: string | undefined;
  readonly line: number;
  readonly column: number;
  /** The place in words. */
  readonly where: string;
}

/**
 * What the cards of a guest's file want for themselves.
 * @param path the file
 * @param file what is in it
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
 * Finds what two cards want, each of which can have it alone.
 * @param claims of all guests that are known
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

/** Two files of one guest, and its running self, are one guest; two cards in one file are two. */
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
