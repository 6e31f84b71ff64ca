// The C program that does the same as a hook and nothing else (floor.c), made of what strace saw the hook do.

import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compiled } from './c-program.ts';

/** The system calls of which a hook's work consists; the rest belongs to the start and the memory of a program. */
const WORK =
  'close_range,umask,openat,read,write,close,access,readlink,mkdir,unlink,rename,statx,newfstatat,getdents64,flock,socket,setsockopt,connect';

/**
 * The words before a hook's command that write down what it does.
 * @param trace the file to write to
 */
export function traceWords(trace: string): string[] {
  return [
    'strace',
    '-qq',
    '-xx',
    '-X',
    'raw',
    '-s',
    '1000000',
    '-e',
    `trace=${WORK}`,
    '-e',
    'signal=none',
    '-o',
    trace,
  ];
}

/**
 * Compiles the program that makes the calls of a trace.
 * @param trace what strace wrote
 * @returns where the program is
 * @throws Error when the trace has something that cannot be repeated
 */
export function floorProgram(trace: string): string {
  const lines = trace.split('\n').filter((line) => line !== '');
  // The hook's first acts. Before and between them are the C library's and the engine's; without the first one, descriptors of
  // the caller would give its files other numbers.
  const closes = lines.filter((line) => line.startsWith('close_range('));
  const first = lines.findIndex((line) => line.startsWith('umask('));
  const rows = joinedReads([...closes, ...lines.slice(first)]).map((line) => `${rowOf(line)},\n`);
  const calls = join(tmpdir(), `xen-network-floor-${process.pid}.h`);
  writeFileSync(calls, rows.join(''));
  return compiled('floor', { flags: ['-static', `-DCALLS="${calls}"`], input: rows.join('') });
}

const READ = /^(read\(\d+, )".*", (\d+)\) += ([1-9]\d*)$/;

/** Several reads that follow each other, of one file, are one read of all. */
function joinedReads(lines: readonly string[]): string[] {
  const joined: string[] = [];
  for (const line of lines) {
    const [former, here] = [READ.exec(joined.at(-1) ?? ''), READ.exec(line)];
    if (former !== null && here !== null && former[1] === here[1])
      joined[joined.length - 1] = `${here[1]}"", ${here[2]}) = ${Number(former[3]) + Number(here[3])}`;
    else joined.push(line);
  }
  return joined;
}

/** @returns a call as a row of floor.c's table */
function rowOf(line: string): string {
  const [, name, words = '', result] = /^(\w+)\((.*)\) += (-?\d+)/.exec(line) ?? [];
  if (name === undefined)
    throw new Error(`strace shows what the benchmark cannot repeat: ${line.slice(0, 200)}`);
  const values = splitWords(words).map((word, at) => wordOf(name, word, at));
  return `{SYS_${name}, {${values.join(', ')}}, ${result}}`;
}

/** Splits at commas that are in no string and no structure. */
function splitWords(text: string): string[] {
  return text === ''
    ? []
    : (text.match(/(?:"[^"]*"|\{[^}]*\}|\[[^\]]*\]|[^,])+/g) ?? []).map((word) => word.trim());
}

/** The words that the kernel fills in. */
const ANSWERS: Readonly<Record<string, number>> = {
  read: 1,
  readlink: 1,
  statx: 4,
  newfstatat: 2,
  getdents64: 1,
};

function wordOf(call: string, word: string, at: number): string {
  if (ANSWERS[call] === at) return '(long)answer';
  if (word.startsWith('"')) return `(long)${word}`;
  if (word.startsWith('[')) return `(long)&(const int){${word.slice(1, -1)}}`;
  const path = /^\{sa_family=0x1, sun_path=("[^"]*")\}$/.exec(word)?.[1];
  if (path !== undefined) return `(long)"\\x01\\x00" ${path}`;
  // strace leaves out the name of a flag that is 0.
  if (/^\|?(?:-?\d+|0x[\da-f]+)(?:\|0x[\da-f]+)*$|^$/.test(word)) return word.replace(/^\|/, '') || '0';
  throw new Error(`strace shows what the benchmark cannot repeat: ${call} with ${word.slice(0, 100)}`);
}
