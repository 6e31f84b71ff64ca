// The native port through the C library.

import { XenNetworkError } from '../../errors.ts';
import { encodeText } from '../../wire/xenstore.ts';
import { type Taken, takeLock } from '../files/file-lock.ts';
import { libcFiles, libcOpenFiles } from '../files/files-libc.ts';
import { passByLibc, runByLibc, startDetachedByLibc } from '../processes/child-libc.ts';
import { areWaitsInterrupted } from '../processes/deadline.ts';
import { FdChannel, openFdDevice } from '../xenstore/fd-channel.ts';
import { AF_UNIX, CallError, checked, lastErrno, libc, unixAddress } from './libc.ts';
import type { ByteChannel, Hurry, Native, StreamService } from './native.ts';
import { errnoWords, OPEN } from './native-errors.ts';
import type { NetlinkProtocol, NetlinkSocket } from './netlink.ts';

// Linux's numbers; the same on x86-64 and arm64.
const SOCK_STREAM = 1;
const QUEUE = 64;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDBUFFORCE = 32;
const SO_SNDTIMEO = 21;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const NETLINK_SECONDS = 10n;
/** A datagram of this length fits into the send buffer that a socket has at first (net.core.wmem_default). */
const SURELY_SENT = 65_536;
const POLLIN = 1;
const POLLOUT = 4;
const [LOCK_EX, LOCK_NB] = [2, 4];
const [EINTR, EAGAIN] = [4, 11];
const [PRIO_PROCESS, GREATEST_NICE] = [0, -20];
let usualNice: number | undefined;
const [SCHED_OTHER, SCHED_FIFO, SCHED_RESET_ON_FORK] = [0, 1, 0x40000000];
const [SIGINT, SIGALRM, SIGTERM] = [2, 14, 15];
const PIPE_BUF = 4096;
/** How long this process waits in all for a slow reader of its messages, and of its answers over a slow serial line. */
const printWaitsMs = { err: 1000, out: 10_000 };
const ITIMER_REAL = 0;
const TIOCGWINSZ = 0x5413;
/** The width of terminals that do not tell theirs. */
const USUAL_WIDTH = 80;

const LONGEST_SOCKET_PATH = 107;

/** A connected socket, or the number of the error that prevented the connection. */
type Connected = { readonly fd: number; readonly error?: undefined } | { readonly error: number };

/**
 * Connects a socket of the given type and flags. A timeout above 0 bounds the connecting and each later read and write,
 * which then fail with EAGAIN.
 */
function connectUnix(type: number, path: string, timeoutMs: number): Connected {
  const address = unixAddress(path);
  const limit = new BigInt64Array([
    BigInt(Math.floor(timeoutMs / 1000)),
    BigInt(Math.round((timeoutMs % 1000) * 1000)),
  ]);
  const fd = libc().socket(AF_UNIX, type | OPEN.closeOnExec, 0);
  if (
    fd >= 0 &&
    libc().setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, limit, limit.byteLength) === 0 &&
    libc().setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, limit, limit.byteLength) === 0 &&
    libc().connect(fd, address, address.length) === 0
  ) {
    return { fd };
  }
  const error = lastErrno();
  if (fd >= 0) {
    libcOpenFiles.close(fd);
  }
  return error === EINTR ? connectUnix(type, path, timeoutMs) : { error };
}

/** The timer's interval after its first signal. */
const TIMER_AGAIN_MS = 50;
/** How late a wait may notice a signal that came just before it. */
const LOOK_UP_MS = 1000;

/** @returns whether the file is ready */
function waitByPoll(fd: number, direction: 'in' | 'out', timeoutMs: number): boolean {
  const request = new Uint8Array(8);
  const fields = new DataView(request.buffer);
  fields.setInt32(0, fd, true);
  fields.setInt16(4, direction === 'in' ? POLLIN : POLLOUT, true);
  return libc().poll(request, 1, Math.ceil(timeoutMs)) > 0;
}

async function connectStream(path: string, timeoutMs: number): Promise<ByteChannel> {
  if (encodeText(path).length > LONGEST_SOCKET_PATH) {
    throw new XenNetworkError(
      `The socket ${path} cannot be reached: its path is over ${LONGEST_SOCKET_PATH} bytes long.`,
    );
  }
  const connected = connectUnix(SOCK_STREAM, path, timeoutMs);
  if (connected.error !== undefined) {
    throw new XenNetworkError(`The socket ${path} cannot be reached: ${errnoWords(connected.error)}.`);
  }
  return new FdChannel(connected.fd, path, timeoutMs, waitByPoll, libcOpenFiles);
}

async function serveStream(path: string, service: StreamService): Promise<never> {
  const lib = libc();
  const address = unixAddress(path);
  try {
    const fd = checked(lib.socket(AF_UNIX, SOCK_STREAM | OPEN.closeOnExec | OPEN.nonBlocking, 0));
    checked(lib.bind(fd, address, address.length));
    // Nobody can connect until it listens.
    libcFiles.chmodSync(path, 0o600);
    checked(lib.listen(fd, QUEUE));
    return (await import('../processes/serve-libc.ts')).serveClients(lib, fd, service);
  } catch (thrown) {
    if (!(thrown instanceof CallError)) throw thrown;
    throw new XenNetworkError(`Nothing can listen at ${path}: ${errnoWords(thrown)}.`, { cause: thrown });
  }
}

async function sendDatagram(path: string, bytes: Uint8Array): Promise<boolean> {
  if (encodeText(path).length > LONGEST_SOCKET_PATH) {
    return false;
  }
  const connected = connectUnix(SOCK_DGRAM | OPEN.nonBlocking, path, 0);
  if (connected.error !== undefined) {
    return false;
  }
  try {
    return libcOpenFiles.write(connected.fd, bytes) === bytes.length;
  } catch {
    return false;
  } finally {
    libcOpenFiles.close(connected.fd);
  }
}

/** The kernel gives the lock to the waiting processes in their order; a timer's signal ends the wait. */
async function flock(fd: number, timeoutMs: number): Promise<Taken> {
  const lib = libc();
  if (lib.flock(fd, LOCK_EX | LOCK_NB) === 0) return 'free';
  if (lastErrno() !== EAGAIN && lastErrno() !== EINTR) throw new CallError(lastErrno());
  const end = performance.now() + timeoutMs;
  process.on('SIGALRM', () => {});
  // Otherwise the call would start again after a signal.
  for (const signal of [SIGALRM, SIGTERM, SIGINT]) lib.siginterrupt(signal, 1);
  for (let rest = timeoutMs; rest > 0; rest = end - performance.now()) {
    lib.setitimer(ITIMER_REAL, timer(Math.min(rest, LOOK_UP_MS), TIMER_AGAIN_MS), null);
    const result = lib.flock(fd, LOCK_EX);
    const errno = lastErrno();
    lib.setitimer(ITIMER_REAL, timer(0, 0), null);
    if (result === 0) return 'waited';
    if (errno !== EINTR) throw new CallError(errno);
    // Lets signal handlers run.
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (areWaitsInterrupted()) break;
  }
  return 'busy';
}

/**
 * A struct itimerval that fires after a time and then at intervals, since the first signal may come before the wait
 * that it must end. 0 and 0 switch it off.
 */
function timer(ms: number, againMs: number): BigInt64Array {
  const parts = [againMs, ms].flatMap((each) => {
    const microseconds = Math.ceil(each * 1000);
    return [Math.floor(microseconds / 1_000_000), microseconds % 1_000_000];
  });
  return new BigInt64Array(parts.map(BigInt));
}

/** A netlink socket that filters dumps and explains errors where the kernel can do so (netlink(7)). */
function openNetlink(protocol: NetlinkProtocol): NetlinkSocket {
  const lib = libc();
  const fd = lib.socket(AF_NETLINK, SOCK_RAW | OPEN.closeOnExec, protocol);
  if (fd < 0) {
    throw new XenNetworkError(`No netlink socket can be opened: ${errnoWords(lastErrno())}.`);
  }
  const limit = new BigInt64Array([NETLINK_SECONDS, 0n]);
  lib.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, limit, limit.byteLength);
  for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
    lib.setsockopt(fd, SOL_NETLINK, option, new Int32Array([1]), 4);
  }
  const buffer = new Uint8Array(65_536);
  return {
    send(bytes) {
      if (bytes.length > SURELY_SENT) {
        const room = new Int32Array([bytes.length]);
        // The kernel takes twice as much. Where it refuses, so it does the message.
        lib.setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, room, room.byteLength);
      }
      libcOpenFiles.write(fd, bytes);
    },
    receive: () => buffer.subarray(0, libcOpenFiles.read(fd, buffer)),
    errorText: (errno) => `${lib.strerror(errno)}`,
    close: () => libcOpenFiles.close(fd),
  };
}

/** Some containers do not allow this; the run then goes on without it. */
function hurry(how: Hurry): void {
  const [policy, priority] = how === 'first' ? [SCHED_FIFO, 1] : [SCHED_OTHER, 0];
  usualNice ??= libc().getpriority(PRIO_PROCESS, 0);
  libc().setpriority(PRIO_PROCESS, 0, how === 'usual' ? usualNice : GREATEST_NICE);
  libc().sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, new Int32Array([priority]));
}

/** A terminal that is gone must not end the run, and a reader that takes little or nothing must not stop it. */
function print(text: string, to: 'out' | 'err'): void {
  const fd = to === 'out' ? 1 : 2;
  for (let rest = encodeText(text); rest.length > 0; ) {
    // A write to a full pipe would block; one that is ready has room for PIPE_BUF bytes (pipe(7)).
    const began = performance.now();
    const isReady = waitByPoll(fd, 'out', Math.max(0, printWaitsMs[to]));
    const isInterrupted = !isReady && lastErrno() === EINTR;
    printWaitsMs[to] -= performance.now() - began;
    if (isInterrupted && printWaitsMs[to] > 0) continue;
    if (!isReady) return;
    const piece = rest.subarray(0, PIPE_BUF);
    const written = Number(libc().write(fd, piece, piece.length));
    if (written >= 0) rest = rest.subarray(written);
    else if (lastErrno() !== EAGAIN && lastErrno() !== EINTR) return;
  }
}

/** struct winsize has the columns after the rows (ioctl_tty(2)). */
function terminalWidth(of: 'in' | 'out'): number | undefined {
  const size = new Uint16Array(4);
  return libc().ioctl(of === 'in' ? 0 : 1, TIOCGWINSZ, size) === 0 ? size[1] || USUAL_WIDTH : undefined;
}

/** The port for Bun and for the compiled program. */
export const libcNative: Native = {
  connectStream,
  openDevice: async (path, timeoutMs) => openFdDevice(path, timeoutMs, waitByPoll, libcOpenFiles),
  serveStream,
  sendDatagram,
  lock: (path, timeoutMs) => takeLock(path, timeoutMs, flock, { ...libcFiles, ...libcOpenFiles }),
  openNetlink,
  files: libcFiles,
  run: runByLibc,
  pass: passByLibc,
  startDetached: startDetachedByLibc,
  kill: (pid, signal) => void checked(libc().kill(pid, signal)),
  hurry,
  print,
  umask: (mask) => void libc().umask(mask),
  userId: () => libc().geteuid(),
  terminalWidth,
};
