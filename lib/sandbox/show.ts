import { visible } from '../text.ts';

/** The output of the sandbox: acts with a headline, and in each the commands and their results. */
export interface Show {
  title(text: string): void;
  act(headline: string): void;
  /** A command that is about to run, and the machine on which it runs. */
  command(machine: string, words: string): void;
  good(text: string, aside?: string): void;
  bad(text: string): void;
  /** Output, line by line; on a terminal long lines are wrapped. */
  output(lines: readonly string[]): void;
}

const STYLES = { bold: '1', dim: '2', red: '31', green: '32', cyan: '36' } as const;

/**
 * Makes the output of the sandbox.
 * @param print writes text
 * @param colour whether to write colours, as escape codes
 * @param width the terminal's width in characters; Infinity where it is no terminal
 */
export function openShow(print: (text: string) => void, colour: boolean, width: number): Show {
  const paint = (style: keyof typeof STYLES, text: string) =>
    colour && text !== '' ? `\x1b[${STYLES[style]}m${visible(text)}\x1b[0m` : visible(text);
  const line = (text: string) => print(`${text}\n`);
  return {
    title: (text) => line(paint('bold', text)),
    act: (headline) => line(`\n${paint('cyan', headline)}`),
    command: (machine, words) => line(`  ${paint('dim', `${machine}# ${words}`)}`),
    good: (text, aside = '') =>
      line(
        `  ${paint('green', '✓')} ${visible(text)}${aside === '' ? '' : ` ${paint('dim', `(${aside})`)}`}`,
      ),
    bad: (text) => line(`  ${paint('red', '✗')} ${visible(text)}`),
    output: (lines) => {
      for (const text of lines.flatMap((whole) => broken(whole, width - 4))) line(`    ${visible(text)}`);
    },
  };
}

/** Wraps a line; only a longer word exceeds the width. All lines but the first are indented. */
function broken(whole: string, width: number): string[] {
  if (whole.length <= width) return [whole];
  const pieces: string[] = [];
  for (const word of whole.split(' ')) {
    const last = pieces.at(-1);
    if (last === undefined) pieces.push(word);
    else if (last.length + 1 + word.length > width) pieces.push(`  ${word}`);
    else pieces[pieces.length - 1] = `${last} ${word}`;
  }
  return pieces;
}

/**
 * Aligns cells in columns; the last column is not padded.
 * @param rows rows of cells, all of the same length
 */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
