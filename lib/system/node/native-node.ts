// The native port in Node, which has neither flock nor Unix datagrams: helper programs do these two.

import type { Socket } from 'node:net';
import { ClosedError, XenNetworkError } from '../../errors.ts';
import { decodeText } from '../../wire/xenstore.ts';
import { type Taken, takeLock } from '../files/file-lock.ts';
import type { FileSystem, OpenFiles } from '../files/files.ts';
import type { ByteChannel, Native, StreamService } from '../kernel/native.ts';
import { connectionError, errnoName, errnoWords } from '../kernel/native-errors.ts';
import { CHILD_ENVIRONMENT } from '../processes/exec.ts';
import { openFdDevice } from '../xenstore/fd-channel.ts';
import { passByNode, runByNode, startDetachedByNode } from './child-node.ts';

// Not imported: other runtimes and bundlers that read this file have no such modules.
const { spawn } = process.getBuiltinModule('node:child_process');
const fs = process.getBuiltinModule('node:fs');
const { once } = process.getBuiltinModule('node:events');
const { createConnection, createServer } = process.getBuiltinModule('node:net');
const { setTimeout: sleep } = process.getBuiltinModule('node:timers/promises');

/** The width of terminals that do not tell theirs. */
const USUAL_WIDTH = 80;
const RETRY_MS = 2;
const LOGGER_TIMEOUT_MS = 1000;
const FLOCK_TIMED_OUT = 1;
const SYSLOG_MESSAGE = /^(<\d+>)\w{3} [ \d]\d \d\d:\d\d:\d\d ([^:[]+)(?:\[(\d+)\])?: (.*)$/s;

class SocketChannel implements ByteChannel {
  readonly #socket: Socket;
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #path: string;
  readonly #timeoutMs: number;

  constructor(socket: Socket, path: string, timeoutMs: number) {
    this.#socket = socket;
    this.#pieces = socket[Symbol.asyncIterator]();
    this.#path = path;
    this.#timeoutMs = timeoutMs;
  }

  async send(bytes: Uint8Array): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
    await inTime(written, this.#path, this.#timeoutMs);
  }

  async receive(): Promise<Uint8Array> {
    const piece = await inTime(this.#pieces.next(), this.#path, this.#timeoutMs);
    if (piece.done === true) {
      throw new ClosedError(`The other side of ${this.#path} has closed the connection.`);
    }
    return piece.value;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** The result of the promise, or an XenNetworkError when it fails or takes longer than the given time. */
async function inTime<T>(work: Promise<T>, path: string, timeoutMs: number): Promise<T> {
  const timer = new AbortController();
  const over = sleep(timeoutMs, undefined, { signal: timer.signal }).then(() => {
    throw new XenNetworkError(`${path} did not answer within ${timeoutMs / 1000} s.`);
  });
  try {
    return await Promise.race([work, over]);
  } catch (error) {
    if (error instanceof XenNetworkError) {
      throw error;
    }
    throw connectionError(`${path} cannot be reached`, error);
  } finally {
    over.catch(() => undefined);
    timer.abort();
  }
}

async function connectStream(path: string, timeoutMs: number): Promise<ByteChannel> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const socket = createConnection(path);
    // The next send or receive reports the error; at this moment nobody may be waiting for one.
    socket.on('error', () => undefined);
    try {
      await inTime(once(socket, 'connect'), path, timeoutMs);
      return new SocketChannel(socket, path, timeoutMs);
    } catch (error) {
      socket.destroy();
      // EAGAIN: the listener's queue is full, and that of xenstored has room for one client.
      const isFull = error instanceof Error && errnoName(error.cause) === 'EAGAIN';
      if (!isFull || performance.now() > deadline) {
        throw error;
      }
    }
    await sleep(RETRY_MS);
  }
}

/** Node cannot poll a file, so the channel tries again after a short pause. */
async function waitAWhile(): Promise<void> {
  await sleep(RETRY_MS);
}

async function serveStream(path: string, service: StreamService): Promise<never> {
  const server = createServer((socket) => {
    const peer = service((bytes) => void socket.write(bytes));
    socket.on('data', (bytes) => {
      try {
        peer.receive(bytes);
      } catch (thrown) {
        socket.destroy();
        if (!(thrown instanceof XenNetworkError)) throw thrown;
      }
    });
    // A client that goes away in the middle of a reply must not affect the others.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => peer.close());
  });
  server.listen(path, () => fs.chmodSync(path, 0o600));
  const [error] = await once(server, 'error');
  throw new XenNetworkError(`Nothing can listen at ${path}: ${errnoWords(error)}.`, { cause: error });
}

async function sendDatagram(path: string, bytes: Uint8Array): Promise<boolean> {
  const [, priority, tag, pid, text] = SYSLOG_MESSAGE.exec(decodeText(bytes)) ?? [];
  if (priority === undefined || tag === undefined || text === undefined) {
    return false;
  }
  const id = pid === undefined ? [] : [`--id=${pid}`];
  const logger = spawn(
    'logger',
    ['--socket', path, '--socket-errors=on', '--prio-prefix', '--tag', tag, ...id],
    {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: CHILD_ENVIRONMENT,
      timeout: LOGGER_TIMEOUT_MS,
    },
  );
  logger.stdin.on('error', () => undefined);
  logger.stdin.end(`${priority}${text}\n`);
  try {
    const [status] = await once(logger, 'exit');
    return status === 0;
  } catch {
    return false;
  }
}

/** flock(1) locks the open file that it inherits; the lock stays with the file after flock(1) has ended. */
async function flock(fd: number, timeoutMs: number): Promise<Taken> {
  const helper = spawn('flock', ['--exclusive', '--wait', (timeoutMs / 1000).toFixed(3), '3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
    env: CHILD_ENVIRONMENT,
  });
  const [status] = await once(helper, 'exit');
  if (status !== 0 && status !== FLOCK_TIMED_OUT) {
    throw new Error(`flock(1) ended with status ${status}`);
  }
  return status === 0 ? 'free' : 'busy';
}

const openFiles: OpenFiles = {
  open: fs.openSync,
  read: fs.readSync,
  write: fs.writeSync,
  close: fs.closeSync,
  isAt(fd, path) {
    const ours = fs.fstatSync(fd, { bigint: true });
    const there = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
    return there !== undefined && there.ino === ours.ino && there.dev === ours.dev;
  },
};

/** Node cannot copy extended attributes; cp(1) can. */
const files: FileSystem = {
  ...fs,
  existsSync: (path) => fs.statSync(path, { throwIfNoEntry: false }) !== undefined,
  copyAttributes(from, to) {
    const keeps = ['--attributes-only', '--preserve=all', '--no-preserve=timestamps'];
    const { status, stderr } = runByNode(['cp', ...keeps, '--', from, to]);
    if (status !== 0) throw new Error(stderr.trim());
  },
  sync(path) {
    const fd = fs.openSync(path, 'r');
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  },
};

/** The terminal may be gone (network-bridge over ssh), or the reader (head): that must not end the run. */
function print(text: string, to: 'out' | 'err'): void {
  const stream = to === 'out' ? process.stdout : process.stderr;
  if (stream.listenerCount('error') === 0) stream.on('error', () => {});
  try {
    stream.write(text);
  } catch {
    return;
  }
}

function terminalWidth(of: 'in' | 'out'): number | undefined {
  if (of === 'in') return process.stdin.isTTY ? USUAL_WIDTH : undefined;
  return process.stdout.isTTY ? process.stdout.columns || USUAL_WIDTH : undefined;
}

/** The port for Node, and for the program that is built on Node. */
export const nodeNative: Native = {
  connectStream,
  serveStream,
  openDevice: async (path, timeoutMs) => openFdDevice(path, timeoutMs, waitAWhile, openFiles),
  sendDatagram,
  lock: (path, timeoutMs) => takeLock(path, timeoutMs, flock, { ...fs, ...openFiles }),
  files,
  run: runByNode,
  pass: passByNode,
  startDetached: startDetachedByNode,
  kill: (pid, signal) => void process.kill(pid, signal),
  print,
  umask: (mask) => void process.umask(mask),
  userId: () => process.geteuid?.() ?? -1,
  terminalWidth,
};
