import type { Place } from './place.ts';
import { settingOf, textOf } from './xl-conf.ts';
import { parseXlFile, type XlFile, type XlValue } from './xl-config.ts';

/** One word of a card's text, KEY=VALUE or a flag. */
export interface CardWord extends Place {
  readonly key: string;
  /** Undefined for a word without "=". */
  readonly value: string | undefined;
}

/** A network card of a guest, as its file has it. */
export interface GuestCard extends Place {
  /** Counted from 0 in the file's list. */
  readonly index: number;
  readonly words: readonly CardWord[];
}

/** What a guest's file says, as far as its network goes. */
export interface GuestFile extends XlFile {
  readonly name: string | undefined;
  /** Its cards are emulated beside their paravirtual ones, unless one says type=vif. */
  readonly isHvm: boolean;
  readonly cards: readonly GuestCard[];
  /** What of vif= is no text. */
  readonly strange: readonly Place[];
}

/**
 * Reads a guest's file (xl.cfg(5), xl-network-configuration(5)).
 * @param text the file
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
    // After the quote; a text with escapes is a little longer in the file.
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
 * The last word of a card with that key, which is the one that xl takes.
 * @param card the card
 * @param key such as mac
 */
export function wordOf({ words }: GuestCard, key: string): CardWord | undefined {
  return [...words].reverse().find((word) => word.key === key);
}
