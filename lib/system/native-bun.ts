// The port in Bun: the calls of libc that node:fs lacks, by bun:ffi. node:net would cost each hook five
// milliseconds to load.

import { dlopen, FFIType, read } from 'bun:ffi';
import { closeSync, readSync, writeSync } from 'node:fs';
import { encodeText } from '../contract/xenstore-wire.ts';
import { XenNetworkError } from '../errors.ts';
import { FdChannel, openFdDevice } from './fd-channel.ts';
import { takeLock } from './file-lock.ts';
import type { ByteChannel, Native } from './native.ts';
import { errnoWords, OPEN } from './native-errors.ts';
import type { NetlinkSocket } from './rtnetlink.ts';

// Linux's numbers; the same on x86-64 and arm64, the two that Bun runs on.
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const NETLINK_SECONDS = 10n;
const POLLIN = 1;
const POLLOUT = 4;
const LOCK_EX_NB = 2 | 4;

const LONGEST_SOCKET_PATH = 107;

type Libc = ReturnType<typeof openLibrary>;
let libc: Libc | undefined;

function openLibc(): Libc {
  try {
    return openLibrary('libc.so.6');
  } catch {
    return openLibrary(`libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`);
  }
}

function openLibrary(name: string) {
  const { i32, u32, u64, ptr } = FFIType;
  return dlopen(name, {
    __errno_location: { args: [], returns: ptr },
    connect: { args: [i32, ptr, u32], returns: i32 },
    flock: { args: [i32, i32], returns: i32 },
    poll: { args: [ptr, u64, i32], returns: i32 },
    setsockopt: { args: [i32, i32, i32, ptr, u32], returns: i32 },
    socket: { args: [i32, i32, i32], returns: i32 },
    strerror: { args: [i32], returns: FFIType.cstring },
  }).symbols;
}

function lastError(lib: Libc): number {
  const location = lib.__errno_location();
  return location === null ? 0 : read.i32(location, 0);
}

/** A socket that is connected, or the number of the error that kept it from being so. */
type Connected = { readonly fd: number; readonly error?: undefined } | { readonly error: number };

/**
 * Connects a socket of the given type and flags. With a time above 0 that is the bound of connecting and of each later
 * read and write, which then fail with EAGAIN.
 */
function connectUnix(type: number, path: string, timeoutMs: number): Connected {
  libc ??= openLibc();
  const name = encodeText(path);
  const address = new Uint8Array(2 + name.length + 1);
  address[0] = AF_UNIX;
  address.set(name, 2);
  const limit = new BigInt64Array([
    BigInt(Math.floor(timeoutMs / 1000)),
    BigInt(Math.round((timeoutMs % 1000) * 1000)),
  ]);
  const fd = libc.socket(AF_UNIX, type | OPEN.closeOnExec, 0);
  if (
    fd >= 0 &&
    libc.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, limit, limit.byteLength) === 0 &&
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, limit, limit.byteLength) === 0 &&
    libc.connect(fd, address, address.length) === 0
  ) {
    return { fd };
  }
  const error = lastError(libc);
  if (fd >= 0) {
    closeSync(fd);
  }
  return { error };
}

function waitByPoll(fd: number, direction: 'in' | 'out', timeoutMs: number): void {
  libc ??= openLibc();
  const request = new Uint8Array(8);
  const fields = new DataView(request.buffer);
  fields.setInt32(0, fd, true);
  fields.setInt16(4, direction === 'in' ? POLLIN : POLLOUT, true);
  libc.poll(request, 1, Math.ceil(timeoutMs));
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
  return new FdChannel(connected.fd, path, timeoutMs, waitByPoll);
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
    return writeSync(connected.fd, bytes) === bytes.length;
  } catch {
    return false;
  } finally {
    closeSync(connected.fd);
  }
}

async function flock(fd: number, timeoutMs: number): Promise<boolean> {
  libc ??= openLibc();
  const deadline = performance.now() + timeoutMs;
  while (libc.flock(fd, LOCK_EX_NB) !== 0) {
    if (performance.now() > deadline) {
      return false;
    }
    // Random, so that a hundred waiting hooks do not wake together.
    await Bun.sleep(1 + Math.random() * 9);
  }
  return true;
}

/** A netlink socket that filters dumps and explains errors where the kernel can (netlink(7)). */
function openRtnetlink(): NetlinkSocket {
  libc ??= openLibc();
  const lib = libc;
  const fd = lib.socket(AF_NETLINK, SOCK_RAW | OPEN.closeOnExec, NETLINK_ROUTE);
  if (fd < 0) {
    throw new XenNetworkError(`No netlink socket can be opened: ${errnoWords(lastError(lib))}.`);
  }
  const limit = new BigInt64Array([NETLINK_SECONDS, 0n]);
  lib.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, limit, limit.byteLength);
  for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
    lib.setsockopt(fd, SOL_NETLINK, option, new Int32Array([1]), 4);
  }
  const buffer = new Uint8Array(65_536);
  return {
    send: (bytes) => void writeSync(fd, bytes),
    receive: () => buffer.subarray(0, readSync(fd, buffer)),
    errorText: (errno) => `${lib.strerror(errno)}`,
    close: () => closeSync(fd),
  };
}

/** The port for the compiled program and for scripts that Bun runs. */
export const bunNative: Native = {
  connectStream,
  openDevice: async (path, timeoutMs) => openFdDevice(path, timeoutMs, waitByPoll),
  sendDatagram,
  lock: (path, timeoutMs) => takeLock(path, timeoutMs, flock),
  openRtnetlink,
};
