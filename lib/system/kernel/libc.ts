// The C library, called through bun:ffi, or through its replacement in the compiled program's engine.

import { dlopen, FFIType, ptr, read } from 'bun:ffi';
import { encodeText } from '../../wire/xenstore.ts';
import { errnoName } from './native-errors.ts';

const { i32, i64, u32, u64, ptr: pointer, cstring } = FFIType;
const call = (...args: FFIType[]) => ({ args, returns: i32 }) as const;
const sized = (...args: FFIType[]) => ({ args, returns: FFIType.i64_fast }) as const;

/**
 * The C functions that the program calls; the build of the compiled program reads this list too. They only take whole
 * numbers and pointers, six at most, so that any engine can call them. open, fcntl and syscall take variable arguments,
 * which both machines that this program runs on, x86-64 and arm64, pass like ordinary ones.
 */
export const FUNCTIONS = {
  __errno_location: { args: [], returns: pointer },
  accept4: call(i32, pointer, pointer, i32),
  access: call(pointer, i32),
  bind: call(i32, pointer, u32),
  chmod: call(pointer, u32),
  chown: call(pointer, u32, u32),
  close: call(i32),
  connect: call(i32, pointer, u32),
  fcntl: call(i32, i32, i32),
  flock: call(i32, i32),
  fsync: call(i32),
  getdents64: sized(i32, pointer, u64),
  geteuid: call(),
  getpriority: call(i32, u32),
  getxattr: sized(pointer, pointer, pointer, u64),
  ioctl: call(i32, u64, pointer),
  kill: call(i32, i32),
  listen: call(i32, i32),
  listxattr: sized(pointer, pointer, u64),
  lseek: sized(i32, i64, i32),
  memfd_create: call(pointer, u32),
  mkdir: call(pointer, u32),
  open: call(pointer, i32, u32),
  pipe2: call(pointer, i32),
  poll: call(pointer, u64, i32),
  posix_spawn: call(pointer, pointer, pointer, pointer, pointer, pointer),
  posix_spawn_file_actions_addchdir_np: call(pointer, pointer),
  posix_spawn_file_actions_adddup2: call(pointer, i32, i32),
  posix_spawn_file_actions_addopen: call(pointer, i32, pointer, i32, u32),
  posix_spawn_file_actions_init: call(pointer),
  posix_spawnattr_init: call(pointer),
  posix_spawnattr_setflags: call(pointer, i32),
  posix_spawnattr_setsigdefault: call(pointer, pointer),
  posix_spawnattr_setsigmask: call(pointer, pointer),
  read: sized(i32, pointer, u64),
  readlink: sized(pointer, pointer, u64),
  realpath: { args: [pointer, pointer], returns: pointer },
  rename: call(pointer, pointer),
  sched_setscheduler: call(i32, i32, pointer),
  setitimer: call(i32, pointer, pointer),
  setpriority: call(i32, u32, i32),
  setsockopt: call(i32, i32, i32, pointer, u32),
  setxattr: call(pointer, pointer, pointer, u64, i32),
  siginterrupt: call(i32, i32),
  signal: { args: [i32, i64], returns: i64 },
  socket: call(i32, i32, i32),
  umask: call(u32),
  statx: call(i32, pointer, i32, u32, pointer),
  strerror: { args: [i32], returns: cstring },
  symlink: call(pointer, pointer),
  syscall: sized(i64, i64, i64),
  unlink: call(pointer),
  waitpid: call(i32, pointer, i32),
  write: sized(i32, pointer, u64),
} as const;

const openLibrary = (name: string) => dlopen(name, FUNCTIONS).symbols;

export type Libc = ReturnType<typeof openLibrary>;
let opened: Libc | undefined;

const EINTR = 4;

/** The address family of Unix sockets, for socket(2). */
export const AF_UNIX = 1;

/** The library's functions, loaded once. They fail as in C: the result is -1, and errno tells why. */
export function libc(): Libc {
  opened ??= openLibc();
  return opened;
}

function openLibc(): Libc {
  try {
    return openLibrary('libc.so.6');
  } catch {
    return openLibrary(`/lib/libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`);
  }
}

/** errno, as the last failed call set it. */
export function lastErrno(): number {
  const location = libc().__errno_location();
  return location === null ? 0 : read.i32(location, 0);
}

/**
 * A failed call, in the form of node:fs's errors. Error's constructor is not called, since it writes down the whole
 * stack: that a file is not there is an everyday answer.
 */
export class CallError implements Error {
  readonly name = 'CallError';
  readonly errno: number;

  constructor(errno: number) {
    this.errno = errno;
  }

  /** A name such as ENOENT. */
  get code(): string {
    return errnoName(this.errno) ?? `errno ${this.errno}`;
  }

  get message(): string {
    return `${libc().strerror(this.errno)}`;
  }
}
Object.setPrototypeOf(CallError.prototype, Error.prototype);

/**
 * Checks the result of a call.
 * @param result the value that the call returned
 * @throws CallError when it is negative
 */
export function checked(result: number | bigint): number {
  if (result < 0) throw new CallError(lastErrno());
  return Number(result);
}

/**
 * Makes a call, again where a signal interrupted it, and checks its result.
 * @param call makes the call
 * @returns the value that the call returned
 * @throws CallError when that is negative
 */
export function uninterrupted(call: () => number | bigint): number {
  for (;;) {
    const result = call();
    if (result >= 0) return Number(result);
    if (lastErrno() !== EINTR) throw new CallError(lastErrno());
  }
}

/**
 * A text as a C string.
 * @param text any text; C code sees nothing after a NUL in it
 */
export function cString(text: string): Uint8Array {
  return encodeText(`${text}\0`);
}

/**
 * The address of a Unix socket as C code takes it (unix(7)).
 * @param path at most 107 bytes
 */
export function unixAddress(path: string): Uint8Array {
  const name = encodeText(path);
  const address = new Uint8Array(2 + name.length + 1);
  address[0] = AF_UNIX;
  address.set(name, 2);
  return address;
}

/** An array of C strings; the texts must be kept for as long as the array is in use. */
export interface CStrings {
  readonly array: BigUint64Array;
  readonly texts: readonly Uint8Array[];
}

/**
 * A list of texts as execve(2) takes it.
 * @param texts any texts without a NUL
 */
export function cStrings(texts: readonly string[]): CStrings {
  const encoded = texts.map(cString);
  const array = new BigUint64Array(texts.length + 1);
  for (const [i, text] of encoded.entries()) array[i] = BigInt(ptr(text));
  return { array, texts: encoded };
}
