// A program for the compiled program's engine: it prints what is so, for engine.test.ts to judge.

import '../../../lib/engine/engine.ts';
import {
  ClosedError,
  HostError,
  LockError,
  RequestError,
  StepError,
  VerifyError,
  XenNetworkError,
  XenstoreError,
} from '../../../lib/errors.ts';
import { CallError, lastErrno, libc } from '../../../lib/system/kernel/libc.ts';

const print = (value: unknown) => {
  const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
  libc().write(1, bytes, bytes.length);
};
const bytesOf = (text: string) => [...new TextEncoder().encode(text)];
const textOf = (...bytes: number[]) => new TextDecoder().decode(new Uint8Array(bytes));

/** Pieces of all sizes, taken and let go in a muddle, each with its own contents. */
function churn(): boolean {
  const kept = new Map<number, string>();
  for (let i = 0; i < 20_000; i++) {
    const size = (i * 7919) % 3000;
    kept.set(i, String.fromCharCode(97 + (i % 26)).repeat(size));
    if (i > 500) kept.delete(i - ((i * 31) % 500));
  }
  return [...kept].every(
    ([i, text]) => text === String.fromCharCode(97 + (i % 26)).repeat((i * 7919) % 3000),
  );
}

function growingArray(): number {
  const grown = new Uint8Array(5_000_000).fill(7);
  const list: number[] = [];
  for (let i = 0; i < 300_000; i++) list.push(i);
  return list.reduce((sum, number) => sum + number, 0) + grown.reduce((sum, number) => sum + number, 0);
}

function refusal(act: () => unknown): string {
  try {
    return `no refusal: ${act()}`;
  } catch (thrown) {
    return String(thrown);
  }
}

/** Made while the program is loaded: in a snapshot it was there before the call. */
const EARLY = {
  forms: [{ a: 1, b: 2 }, Object.create(null), class Named {}, new Error('early')],
  keyed: new Map<unknown, string>([
    ['text', 'by text'],
    [7, 'by number'],
  ]),
  long: new Uint8Array(70_000).fill(3),
  grown: Array.from({ length: 1000 }, (_, i) => `${i}`),
  pattern: /^(\d+)-(\d+)$/u,
};

/** How errors are shown. */
function named(): string[] {
  const kinds = [
    XenNetworkError,
    RequestError,
    HostError,
    XenstoreError,
    ClosedError,
    LockError,
    VerifyError,
  ];
  return [...kinds.map((Kind) => new Kind('why')), new StepError('why', 'ip'), new CallError(2)].map(String);
}

/** What was there early can be used, changed and let go like everything else. */
function early(): unknown {
  const { forms, keyed, long, grown, pattern } = EARLY;
  const again = { a: 3, b: 4 };
  for (let i = 1000; i < 5000; i++) grown.push(`${i}`);
  keyed.set('new', 'by a new key');
  keyed.delete(7);
  const whole = long.subarray(10).reduce((sum, number) => sum + number, 0);
  Reflect.deleteProperty(EARLY, 'long');
  return [
    JSON.stringify([forms[0], again]),
    forms.map((form) => typeof form),
    [...keyed],
    whole,
    grown.length + Number(grown[4999]),
    pattern.exec('12-34')?.slice(1),
    String(forms[3]),
  ];
}

/** Two numbers: chance would have to be odd to make them equal, or equal to those of the next call. */
const chance = () => [Math.random(), Math.random()];

const facts: Readonly<Record<string, () => unknown>> = {
  early,
  named,
  chance,
  words: () => process.argv.slice(2),
  name: () => process.argv0,
  variables: () => [
    process.env['PLAIN'],
    process.env['EMPTY'],
    Object.entries(process.env).find(([name]) => name.startsWith('__')),
    process.env['NONE'],
  ],
  texts: () => [
    bytesOf('aé€😀'),
    bytesOf('a\ud83dz\udc00'),
    textOf(0x61, 0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80),
    textOf(0xff, 0x61),
    textOf(),
    bytesOf('\0'),
  ],
  errno: () => [libc().close(-1), lastErrno(), libc().access(new Uint8Array([47, 0]), 0)],
  folder: () => libc().realpath(new Uint8Array([47, 110, 111, 0]), new Uint8Array(4096)),
  errors: () =>
    [2, 5, 12, 16, 24, 25, 34, 36, 40, 75, 90, 95, 98, 99, 101, 107, 110, 113, 122].map((errno) =>
      String(libc().strerror(errno)),
    ),
  files: () => libc().open(new Uint8Array([47, 0]), 0, 0),
  pid: () => process.pid > 1 && process.execPath,
  young: () => [
    [1, 2, 3].at(-1),
    'abc'.at(0),
    [].at(0),
    Object.hasOwn({ a: 1 }, 'a'),
    Object.hasOwn({}, 'toString'),
  ],
  memory: () => [churn(), growingArray()],
  doors: () => [
    ...['require', 'std', 'os'].map((name) => typeof Reflect.get(globalThis, name)),
    refusal(() => Reflect.get(globalThis, 'eval')('1')),
    refusal(() => Reflect.construct(Function, ['return 1'])),
  ],
};

async function timers(): Promise<string[]> {
  const seen: string[] = [];
  const note = (text: string) => () => void seen.push(text);
  setTimeout(note('later'), 30);
  setImmediate(note('soon'));
  queueMicrotask(note('at once'));
  clearTimeout(setTimeout(note('never'), 1));
  await new Promise((resolve) => setTimeout(resolve, 60));
  return seen;
}

async function signals(): Promise<string[]> {
  const seen: string[] = [];
  process.on('SIGTERM', (name) => void seen.push(`${name} on`));
  process.once('SIGTERM', (name) => void seen.push(`${name} once`));
  for (let i = 0; i < 2; i++) {
    libc().kill(process.pid, 15);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return seen;
}

async function main(): Promise<void> {
  const [, , what = ''] = process.argv;
  if (what === 'rejects') throw new RangeError('nobody caught this');
  if (what === 'waits') await new Promise(() => {});
  if (what === 'recursion') print(deep(0));
  else print(what === 'timers' ? await timers() : what === 'signals' ? await signals() : facts[what]?.());
  process.exit(3);
}

function deep(level: number): number {
  return deep(level + 1) + 1;
}

engine.main = () => void main();
