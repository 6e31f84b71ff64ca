import { closeSync, fstatSync, mkdirSync, openSync, statSync, unlinkSync } from 'node:fs';
import { LockError, XenNetworkError } from '../errors.ts';
import type { FileLock } from './native.ts';
import { errnoWords, OPEN } from './native-errors.ts';

/** Waits for the exclusive flock of an open file; false when somebody else holds it all the while. */
export type Flock = (fd: number, timeoutMs: number) => Promise<boolean>;

/**
 * Takes a lock as the stock scripts do: create the file, flock it, and begin again when the path by then names
 * another file, since a holder removes the file before letting go (contract 5).
 * @param path the lock's file; its folder is made where it is missing
 * @param timeoutMs how long to wait for another holder
 * @param flock how this runtime calls flock(2)
 * @throws LockError when the time is over; XenNetworkError when the file cannot be made
 */
export async function takeLock(path: string, timeoutMs: number, flock: Flock): Promise<FileLock> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const fd = openLockFile(path);
    const held = await flockOrClose(fd, path, Math.max(0, deadline - performance.now()), flock);
    if (!held) {
      throw new LockError(
        `The lock ${path} was still held by another program after ${timeoutMs / 1000} s; ` +
          `"fuser -v ${path}" names that program.`,
      );
    }
    if (isFileAt(fd, path)) {
      return heldLock(fd, path);
    }
    closeSync(fd);
  }
}

function openLockFile(path: string): number {
  try {
    mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true });
    return openSync(path, OPEN.readWrite | OPEN.create, 0o600);
  } catch (error) {
    throw new XenNetworkError(`The lock file ${path} cannot be made: ${errnoWords(error)}.`, {
      cause: error,
    });
  }
}

async function flockOrClose(fd: number, path: string, timeoutMs: number, flock: Flock): Promise<boolean> {
  let held = false;
  try {
    held = await flock(fd, timeoutMs);
  } catch (error) {
    throw new XenNetworkError(`The file ${path} cannot be locked: ${errnoWords(error)}.`, { cause: error });
  } finally {
    if (!held) {
      closeSync(fd);
    }
  }
  return held;
}

function isFileAt(fd: number, path: string): boolean {
  const ours = fstatSync(fd, { bigint: true });
  const there = statSync(path, { bigint: true, throwIfNoEntry: false });
  return there !== undefined && there.ino === ours.ino && there.dev === ours.dev;
}

function heldLock(fd: number, path: string): FileLock {
  let held = true;
  return {
    release(): void {
      if (held) {
        held = false;
        try {
          unlinkSync(path);
        } finally {
          closeSync(fd);
        }
      }
    },
  };
}
