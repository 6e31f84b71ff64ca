import type { Place } from './place.ts';
import { settingOf, textOf } from './xl-conf.ts';
import { parseXlFile, type XlFile, type XlValue } from './xl-config.ts';

/** One word of a card's text: KEY=VALUE or a flag. */
export interface CardWord extends Place {
  readonly key: string;
  /** undefined for a word without "=". */
  readonly value: string | undefined;
}

/** A network card in a guest's file. */
export interface GuestCard extends Place {
  /** Its index in the file's list, from 0. */
  readonly index: number;
  readonly words: readonly CardWord[];
}

/** The network settings of a guest's file. */
export interface GuestFile extends XlFile {
  readonly name: string | undefined;
  /** Whether the guest also has emulated cards; a card with type=vif has none. */
  readonly isHvm: boolean;
  readonly cards: readonly GuestCard[];
  /** Entries of vif= that are no text. */
  readonly strange: readonly Place[];
}

/**
 * Reads a guest's file (xl.cfg(5), xl-network-configuration(5)).
 * @param text the file's content
 */
export function parseGuestFile(text: string): GuestFile {
  const file = parseXlFile(text);
  const { settings } = file;
  const vif = settingOf(settings, 'vif')?.value;
  const items = vif === undefined ? [] : vif.kind === 'list' ? vif.items : [vif];
  const kind = textOf(settings, 'type') ?? textOf(settings, 'builder');
  return {
    ...file,
    name: textOf(settings, 'name'),
    isHvm: kind === 'hvm',
    cards: items.flatMap((item, index) =>
      item.kind === 'atom' && vif?.kind === 'list' ? [cardOf(item, index)] : [],
    ),
    strange: items.filter((item) => item.kind === 'list' || vif?.kind !== 'list'),
  };
}

function cardOf(item: Extract<XlValue, { kind: 'atom' }>, index: number): GuestCard {
  const words: CardWord[] = [];
  let at = 0;
  for (const part of item.text.split(',')) {
    const word = part.trimStart();
    // The text begins after the quote; with escapes it is a little longer in the file.
    const column = item.column + 1 + at + part.length - word.length;
    const equals = word.indexOf('=');
    at += part.length + 1;
    if (word.trim() === '') continue;
    const key = equals < 0 ? word.trim() : word.slice(0, equals);
    words.push({ key, value: equals < 0 ? undefined : word.slice(equals + 1), line: item.line, column });
  }
  return { index, line: item.line, column: item.column, words };
}

/**
 * The last word of a card with a key, which is the one that xl takes.
 * @param card the card
 * @param key the key, such as mac
 */
export function wordOf({ words }: GuestCard, key: string): CardWord | undefined {
  return [...words].reverse().find((word) => word.key === key);
}
