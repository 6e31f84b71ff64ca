// What the tests let both twins of the native port do: Node's in the test's own process, Bun's in a child process.

import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../lib/errors.ts';
import { loadNative } from '../../../lib/system/kernel/load-native.ts';
import type { ByteChannel, Native } from '../../../lib/system/kernel/native.ts';
import { reserveTime, setDeadline } from '../../../lib/system/processes/deadline.ts';
import { openSystem } from '../../../lib/system/system.ts';
import { openXenstore } from '../../../lib/system/xenstore/open.ts';

const root = join(import.meta.dirname, '../../..');

/** Gets words from the test and gives back what it saw, as JSON can carry it. */
type Scenario = (native: Native, ...words: string[]) => Promise<unknown>;

/** What an action gives, or the error that it throws as text. */
export async function outcome(action: () => unknown): Promise<unknown> {
  try {
    return (await action()) ?? null;
  } catch (error) {
    return `${error instanceof Error ? error.name : 'thrown'}: ${messageOf(error)}`;
  }
}

async function receiveAll(channel: ByteChannel, length: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let received = 0; received < length; received += pieces.at(-1)?.length ?? 0) {
    // What was received is only valid until the next.
    pieces.push((await channel.receive()).slice());
  }
  return Buffer.concat(pieces);
}

/** Sends many bytes and wants the same back. */
async function echo(native: Native, path = '', length = ''): Promise<unknown> {
  const channel = await native.connectStream(path, 20_000);
  const sent = Uint8Array.from({ length: Number(length) }, (_, index) => index % 251);
  await channel.send(sent);
  const received = await receiveAll(channel, sent.length);
  channel.close();
  return { received: received.length, same: Buffer.compare(received, sent) === 0 };
}

/** Connects and waits for bytes. */
async function receive(native: Native, path = '', timeoutMs = ''): Promise<unknown> {
  return outcome(async () => {
    const channel = await native.connectStream(path, Number(timeoutMs));
    const bytes = await outcome(() => channel.receive());
    channel.close();
    return bytes;
  });
}

/** Sends until the other side has gone away. */
async function sendMuch(native: Native, path = ''): Promise<unknown> {
  const channel = await native.connectStream(path, 20_000);
  const result = await outcome(async () => {
    for (let count = 0; count < 10_000; count += 1) {
      await channel.send(new Uint8Array(1000));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  channel.close();
  return result;
}

/** Uses a file that gives back what is written to it as the device. */
async function device(native: Native, path = ''): Promise<unknown> {
  return outcome(async () => {
    const channel = await native.openDevice(path, 50);
    await channel.send(Uint8Array.of(1, 2, 3));
    const bytes = [...(await channel.receive())];
    const silence = await outcome(() => channel.receive());
    channel.close();
    return { bytes, silence };
  });
}

/** Sends the same syslog message several times. */
async function log(native: Native, path = '', text = '', count = ''): Promise<unknown> {
  const taken: boolean[] = [];
  for (let index = 0; index < Number(count); index += 1) {
    taken.push(await native.sendDatagram(path, new TextEncoder().encode(text)));
  }
  return taken;
}

/** Takes a lock and lets it go, twice. */
async function lock(native: Native, path = '', timeoutMs = ''): Promise<unknown> {
  return outcome(async () => {
    const held = await native.lock(path, Number(timeoutMs));
    held.release();
    held.release();
    return 'held';
  });
}

/** Adds to the number in a file, each time under the lock. */
async function count(native: Native, path = '', counter = '', times = ''): Promise<unknown> {
  for (let done = 0; done < Number(times); done += 1) {
    const held = await native.lock(path, 60_000);
    writeFileSync(counter, String(Number(readFileSync(counter, 'utf8')) + 1));
    held.release();
  }
  return 'counted';
}

/** This process's open files by number, each with what it is and whether exec(2) closes it. */
function openFiles(): Map<string, { readonly target: string; readonly closesOnExec: boolean }> {
  const files = new Map<string, { target: string; closesOnExec: boolean }>();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '';
      files.set(fd, {
        target: readlinkSync(`/proc/self/fd/${fd}`),
        closesOnExec: (Number.parseInt(flags, 8) & 0o2000000) !== 0,
      });
    } catch {
      // The one by which the folder itself was read.
    }
  }
  return files;
}

/** Holds a lock, a socket and a device; tells of each whether a child would inherit it. */
async function inherit(native: Native, lockPath = '', socketPath = '', devicePath = ''): Promise<unknown> {
  const before = openFiles();
  const held = await native.lock(lockPath, 5000);
  const channels = [await native.connectStream(socketPath, 5000), await native.openDevice(devicePath, 5000)];
  const opened = [...openFiles()].filter(([fd, { target }]) => before.get(fd)?.target !== target);
  for (const channel of channels) {
    channel.close();
  }
  held.release();
  const kinds = opened.map(([, file]) => ({ ...file, target: file.target.replace(/:\[\d+\]$/, '') }));
  return kinds.filter(({ target }) => target === 'socket' || target === lockPath || target === devicePath);
}

/** Opens the store, writes two entries together (one of them everybody's) and closes it, time and again. */
async function compete(native: Native, path = '', name = '', times = ''): Promise<unknown> {
  for (let done = 1; done <= Number(times); done += 1) {
    const store = await openXenstore(native, { XENSTORED_PATH: path });
    await store.writeAll([
      [`/compete/${name}`, String(done)],
      ['/compete/last', name],
    ]);
    store.close();
  }
  return 'written';
}

/** Every kind of request to a xenstored, of our client's methods. */
async function xenstore(native: Native, path = ''): Promise<unknown> {
  const store = await openXenstore(native, { XENSTORED_PATH: path });
  const vif = '/local/domain/0/backend/vif/7/0';
  const many = Array.from(
    { length: 60 },
    (_, index) => `/many/a-child-with-a-long-name-so-that-the-list-is-cut-${index}`,
  );
  const steps: readonly [string, () => Promise<unknown>][] = [
    ['read nothing', () => store.readMany([])],
    ['read what is not there', () => store.readMany(['/x', '/x/y/z'])],
    ['write and read', () => store.write('/x/y', 'one').then(() => store.readMany(['/x/y', '/x', '/x/z']))],
    ['overwrite', () => store.write('/x/y', 'two').then(() => store.readMany(['/x/y']))],
    ['relative', () => store.write('backend/vif/7/0/mac', '00:16:3e:00:00:01')],
    ['relative is absolute', () => store.readMany([`${vif}/mac`, 'backend/vif/7/0/mac', vif])],
    ['odd values', () => store.write('/x/odd', 'ü\n$(id)\t"\'\0 ').then(() => store.readMany(['/x/odd']))],
    ['empty value', () => store.write('/x/odd', '').then(() => store.readMany(['/x/odd']))],
    ['longest value', () => store.write('/x/long', 'v'.repeat(4088))],
    ['longest value is there', () => store.readMany(['/x/long']).then(([value]) => value?.length)],
    ['too long a value', () => store.write('/x/long', 'v'.repeat(4089))],
    ['bad path', () => store.readMany(['/x', '/x y'])],
    ['list', () => store.list('/x')],
    ['list a leaf', () => store.list('/x/y')],
    ['list what is not there', () => store.list('/y')],
    ['several at once', () => store.writeAll(many.map((name, index) => [name, `${index}`]))],
    [
      'a long list',
      () => store.list('/many').then((names) => names?.map((name) => `/many/${name}`).join() === many.join()),
    ],
    [
      'read many',
      () => store.readMany(many).then((values) => values.join() === many.map((_, i) => `${i}`).join()),
    ],
    ['together', () => Promise.all([store.list('/x'), store.readMany(['/x/y']), store.write('/x/t', 't')])],
    [
      'all or none',
      () =>
        store.writeAll([
          ['/t/a', '1'],
          [`/${'t'.repeat(2500)}`, '2'],
        ]),
    ],
    ['none', () => store.list('/t')],
    ['remove', () => store.remove('/x').then(() => store.readMany(['/x', '/x/y', '/x/long']))],
    ['remove again', () => store.remove('/x')],
    ['remove below nothing', () => store.remove('/x/y/z')],
    ['remove all', () => store.remove('/')],
    [
      'closed',
      async () => {
        store.close();
        store.close();
        return store.list('/x');
      },
    ],
  ];
  const said: Record<string, unknown> = {};
  for (const [name, step] of steps) {
    said[name] = await outcome(step);
  }
  return said;
}

/**
 * Tells by which policy (sched(7)) it is scheduled, and how nice it is: before, in a hurry, while it sets a setting of the kernel
 * then, a child that it starts then, and later.
 */
async function hurry(native: Native): Promise<unknown> {
  const priority = (stat = readFileSync('/proc/self/stat', 'utf8')) => {
    const fields = stat.split(') ')[1]?.split(' ') ?? [];
    return [POLICY_FIELD, NICE_FIELD].map((field) => Number(fields[field]));
  };
  let setting: readonly number[] = [];
  const writeFileSync = () => {
    setting = priority();
  };
  const system = openSystem(native, { ...native.files, writeFileSync });
  const before = priority();
  system.hurry?.(true);
  system.writeText('/proc/sys/net/ipv4/ip_forward', '1');
  const hurried = priority();
  const child = priority(system.run(['cat', '/proc/self/stat']).stdout);
  const setsThen = setting;
  system.hurry?.(false);
  system.writeText('/proc/sys/net/ipv4/ip_forward', '1');
  return { before, hurried, setsThen, child, later: priority(), setsLater: setting };
}

/** Rewrites a file as the administrator's are. */
async function rewrite(native: Native, path = '', bytes = ''): Promise<unknown> {
  return outcome(() => openSystem(native).rewriteFile(path, bytes));
}

/** What a child has open that holds as many locks as are asked for, the first of them at a number. */
async function locksOfChild(native: Native, folder = '', count = '', from = ''): Promise<unknown> {
  // The files that are opened first push the locks' own up to where copies of them used to be put.
  const pushed: number[] = [];
  while ((pushed.at(-1) ?? 0) < Number(from) - 1) pushed.push(openSync('/dev/null', 'r'));
  const held = [];
  for (let i = 0; i < Number(count); i += 1) held.push(await native.lock(join(folder, `lock${i}`), 5000));
  for (const fd of pushed) closeSync(fd);
  const { stdout } = native.run(['ls', '-l', '/proc/self/fd'], { keepsLocks: true });
  for (const lock of held) lock.release();
  return [...stdout.matchAll(/-> (.*)$/gm)]
    .map(([, path]) => path)
    .filter((path) => path?.startsWith(folder))
    .sort();
}

/** Waits for a child, a lock and a peer once the time of the whole call is over. */
async function overdue(native: Native, lockPath = '', socketPath = ''): Promise<unknown> {
  const channel = await native.connectStream(socketPath, 20_000);
  setDeadline(200);
  const { stderr } = native.run(['sleep', '600'], { timeoutMs: 20_000 });
  const waits = [await outcome(() => native.lock(lockPath, 20_000)), await outcome(() => channel.receive())];
  reserveTime(100);
  return [stderr.trim(), ...waits, native.run(['sleep', '600'], { timeoutMs: 20_000 }).stderr.trim()];
}

/** Says much on standard error. */
async function printMuch(native: Native, times = '', length = ''): Promise<unknown> {
  for (let i = 0; i < Number(times); i += 1) native.print('x'.repeat(Number(length)), 'err');
  return 'printed';
}

/** What a child leaves that runs for at most so many milliseconds. */
async function child(native: Native, script = '', timeoutMs = '', isListing = ''): Promise<unknown> {
  const { status, stdout, stderr } = native.run(['sh', '-c', script], {
    timeoutMs: Number(timeoutMs),
    isListing: isListing === 'listing',
  });
  return { status, length: stdout.length, end: stdout.slice(-8), stderr: stderr.trim().slice(-200) };
}

/** Where proc(5) has the policy and the nice value, counted from behind the program's name. */
const [POLICY_FIELD, NICE_FIELD] = [38, 16];

const scenarios = {
  echo,
  receive,
  sendMuch,
  device,
  log,
  lock,
  count,
  inherit,
  compete,
  hurry,
  rewrite,
  locksOfChild,
  child,
  printMuch,
  overdue,
  xenstore,
} satisfies Record<string, Scenario>;

/** The name of something that a twin can be let do. */
export type ScenarioName = keyof typeof scenarios;

function isScenario(name: string): name is ScenarioName {
  return name in scenarios;
}

/**
 * Lets a twin of the native port do something.
 * @param twin node: here and now; bun: in a child process
 * @param name what to do
 * @param words what it needs to know
 * @returns what it saw
 */
export async function runScenario(
  twin: 'node' | 'bun',
  name: ScenarioName,
  ...words: string[]
): Promise<unknown> {
  if (twin === 'node') {
    const scenario: Scenario = scenarios[name];
    return JSON.parse(JSON.stringify(await scenario(await loadNative(), ...words)));
  }
  const child = spawn(join(root, 'tools/bun.sh'), [import.meta.filename, name, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  const status = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (status !== 0) throw new Error(`${name} in Bun ended with status ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

// Started by Bun as a program of its own.
if (process.argv[1] === import.meta.filename) {
  const [name = '', ...words] = process.argv.slice(2);
  if (!isScenario(name)) throw new Error(`There is no scenario ${name}.`);
  const scenario: Scenario = scenarios[name];
  console.log(JSON.stringify(await scenario(await loadNative(), ...words)));
}
