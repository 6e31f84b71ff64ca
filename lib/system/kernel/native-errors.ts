// Shared by both implementations of the native port: Linux's error numbers in words, and the flags of open(2).

import { ClosedError, XenNetworkError } from '../../errors.ts';

/** Flags of open(2), by Linux's numbers, the same on x86-64 and arm64. */
export const OPEN = {
  writeOnly: 1,
  readWrite: 2,
  create: 0o100,
  exclusive: 0o200,
  truncate: 0o1000,
  append: 0o2000,
  nonBlocking: 0o4000,
  closeOnExec: 0o2000000,
} as const;

const REASONS: readonly (readonly [number: number, name: string, words: string])[] = [
  [1, 'EPERM', 'the operation is not permitted'],
  [2, 'ENOENT', 'there is no such file'],
  [3, 'ESRCH', 'there is no such process'],
  [8, 'ENOEXEC', 'it is no program'],
  [5, 'EIO', 'an input/output error occurred'],
  [6, 'ENXIO', 'there is no such device'],
  [4, 'EINTR', 'a signal came'],
  [11, 'EAGAIN', 'it is too busy'],
  [12, 'ENOMEM', 'there is not enough memory'],
  [13, 'EACCES', 'permission is denied'],
  [16, 'EBUSY', 'something else uses it'],
  [17, 'EEXIST', 'it is there already'],
  [19, 'ENODEV', 'there is no such device'],
  [20, 'ENOTDIR', 'a part of the path is not a directory'],
  [21, 'EISDIR', 'it is a directory'],
  [22, 'EINVAL', 'the argument is not valid'],
  [23, 'ENFILE', 'the system has too many open files'],
  [24, 'EMFILE', 'the process has too many open files'],
  [28, 'ENOSPC', 'no space is left'],
  [30, 'EROFS', 'the file system is read-only'],
  [34, 'ERANGE', 'the value is out of range'],
  [36, 'ENAMETOOLONG', 'the path is too long'],
  [40, 'ELOOP', 'too many links follow each other'],
  [95, 'EOPNOTSUPP', 'it is not supported'],
  [105, 'ENOBUFS', 'the kernel has no room for the answer'],
  [116, 'ESTALE', 'the server of the file does not know it any more'],
  [32, 'EPIPE', 'the other side has closed the connection'],
  [37, 'ENOLCK', 'no lock is available'],
  [98, 'EADDRINUSE', 'there is one already'],
  [104, 'ECONNRESET', 'the other side has closed the connection'],
  [111, 'ECONNREFUSED', 'nobody listens there'],
];

const NAMES: ReadonlyMap<unknown, string> = new Map(REASONS.map(([number, name]) => [number, name]));

/**
 * The name of a system call's error.
 * @param error a Node error, or the number from errno
 * @returns a name such as ENOENT; undefined when the error has no known name
 */
export function errnoName(error: unknown): string | undefined {
  if (error instanceof Error) {
    return 'code' in error ? String(error.code) : undefined;
  }
  return NAMES.get(error);
}

/**
 * Why a system call failed: the reason in words, then the error's name.
 * @param error a Node error, or the number from errno
 */
export function errnoWords(error: unknown): string {
  const known = errnoName(error);
  const words = REASONS.find(([, name]) => name === known)?.[2];
  if (words !== undefined) return `${words} (${known})`;
  return error instanceof Error ? `${error.message} (${known ?? error.name})` : `error ${error}`;
}

/**
 * What a call on a connection throws when it fails.
 * @param what what could not be done, as "PATH cannot be read"
 * @param cause a Node error, or the number from errno
 * @returns ClosedError where the other side is gone
 */
export function connectionError(what: string, cause: unknown): XenNetworkError {
  const isClosed = ['EPIPE', 'ECONNRESET'].includes(errnoName(cause) ?? '');
  return new (isClosed ? ClosedError : XenNetworkError)(`${what}: ${errnoWords(cause)}.`, { cause });
}
