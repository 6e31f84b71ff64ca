// The platform module of yargs for the compiled program's engine, which has no modules of Node. The build puts it in
// the place of yargs's own. There are no configuration files, completions or other languages.

import { cliui } from 'cliui';
import parser from 'yargs-parser/browser';

/** Every character of our texts takes one column. */
const text = {
  stringWidth: (line: string) => line.length,
  stripAnsi: (line: string) => line,
  wrap: (lines: string, width: number) =>
    lines
      .split('\n')
      .flatMap((line) => wrapped(line, width))
      .join('\n'),
};

/** Wraps a line, at blanks where possible. */
function wrapped(line: string, width: number): string[] {
  const rows: string[] = [];
  for (const word of line.trim().split(/ +/)) {
    const last = rows.pop();
    const row = last === undefined ? word : `${last} ${word}`;
    if (last === undefined || row.length <= width) rows.push(row);
    else rows.push(last, word);
    for (let long = rows.pop() ?? ''; ; long = long.slice(width)) {
      rows.push(long.slice(0, width));
      if (long.length <= width) break;
    }
  }
  return rows;
}

/** Replaces the gaps (%s, %d) of a sentence by the given words, in order. */
function filled(sentence: string, ...words: unknown[]): string {
  const rest = [...words];
  return sentence.replace(/%[sd]/g, (gap) => (rest.length > 0 ? `${rest.shift()}` : gap));
}

function same(wanted: boolean): (a: unknown, b: unknown, why?: string | Error) => void {
  return (a, b, why) => {
    if (Object.is(a, b) !== wanted) throw why instanceof Error ? why : new Error(why);
  };
}

function absent(): never {
  throw new Error('The compiled program reads no files for yargs.');
}

const lastPart = (path: string) => path.slice(path.lastIndexOf('/') + 1);

export default {
  assert: { strictEqual: same(true), notStrictEqual: same(false) },
  cliui: (options: object) => cliui(options, text),
  findUp: () => undefined,
  getEnv: () => undefined,
  inspect: String,
  getCallerFile: absent,
  getProcessArgvBin: () => '',
  mainFilename: '',
  Parser: parser,
  path: {
    basename: lastPart,
    dirname: (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/'))),
    extname: (path: string) => /\.[^./]*$/.exec(path)?.[0] ?? '',
    relative: (_from: string, to: string) => to,
    resolve: (...parts: string[]) => parts.join('/'),
    join: (...parts: string[]) => parts.join('/'),
  },
  process: {
    argv: () => process.argv,
    cwd: () => '/',
    emitWarning: () => {},
    execPath: () => process.execPath,
    exit: (status: number) => process.exit(status),
    nextTick: queueMicrotask,
    stdColumns: null,
  },
  readFileSync: absent,
  readdirSync: absent,
  require: absent,
  stringWidth: text.stringWidth,
  y18n: {
    __: filled,
    __n: (one: string, many: string, count: number, ...words: unknown[]) =>
      filled(count === 1 ? one : many, ...words),
    getLocale: () => 'en',
    setLocale: () => {},
    updateLocale: () => {},
  },
};
