import { LockError, XenNetworkError } from '../../errors.ts';
import type { FileLock } from '../kernel/native.ts';
import { errnoWords, OPEN } from '../kernel/native-errors.ts';
import { areWaitsInterrupted, waitText, within } from '../processes/deadline.ts';
import type { FileSystem, OpenFiles } from './files.ts';

/** Whether a lock was free, was had after a wait, or was held by somebody else all the while. */
export type Taken = 'free' | 'waited' | 'busy';

/** Waits for the exclusive flock of an open file. */
export type Flock = (fd: number, timeoutMs: number) => Promise<Taken>;

/** How this runtime works with files. */
export type LockFiles = OpenFiles & Pick<FileSystem, 'mkdirSync' | 'unlinkSync'>;

const heldFds = new Set<number>();

/** The open files of all locks that this process holds: a lock is held as long as any process has its file open. */
export function heldLocks(): number[] {
  return [...heldFds];
}

/**
 * Takes a lock as the stock scripts do: create the file, flock it, and begin again when the path by then names
 * another file, since a holder removes the file before letting go (docs/contract.md, "Locks").
 * @param path the lock's file; its folder is made where it is missing
 * @param timeoutMs how long to wait for another holder
 * @param flock how this runtime calls flock(2)
 * @param files how it works with files
 * @throws LockError when the time is over; XenNetworkError when the file cannot be made
 */
export async function takeLock(
  path: string,
  timeoutMs: number,
  flock: Flock,
  files: LockFiles,
): Promise<FileLock> {
  const allowedMs = within(timeoutMs);
  const deadline = performance.now() + allowedMs;
  for (;;) {
    const fd = openLockFile(path, files);
    const taken = await flockOrClose(fd, path, Math.max(0, deadline - performance.now()), flock, files);
    if (taken === 'busy' && areWaitsInterrupted())
      throw new XenNetworkError(`The run was interrupted by a signal while it waited for the lock ${path}.`);
    if (taken === 'busy') {
      throw new LockError(
        `The lock ${path} was still held by another program after ${waitText(timeoutMs, allowedMs)}; ` +
          `"fuser -v ${path}" names that program.`,
      );
    }
    if (files.isAt(fd, path)) {
      return heldLock(fd, path, taken === 'waited', files);
    }
    files.close(fd);
  }
}

function openLockFile(path: string, files: LockFiles): number {
  try {
    files.mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true, mode: 0o755 });
    return files.open(path, OPEN.readWrite | OPEN.create, 0o600);
  } catch (error) {
    throw new XenNetworkError(`The lock file ${path} cannot be made: ${errnoWords(error)}.`, {
      cause: error,
    });
  }
}

async function flockOrClose(
  fd: number,
  path: string,
  timeoutMs: number,
  flock: Flock,
  files: LockFiles,
): Promise<Taken> {
  let taken: Taken = 'busy';
  try {
    taken = await flock(fd, timeoutMs);
  } catch (error) {
    throw new XenNetworkError(`The file ${path} cannot be locked: ${errnoWords(error)}.`, { cause: error });
  } finally {
    if (taken === 'busy') {
      files.close(fd);
    }
  }
  return taken;
}

/**
 * A lock that this process holds. Where it had to wait there are others who do: with its file gone they would all have
 * to begin again, each after the other, so it stays for the next who does not wait to remove.
 */
function heldLock(fd: number, path: string, contended: boolean, files: LockFiles): FileLock {
  heldFds.add(fd);
  return {
    release(): void {
      if (!heldFds.delete(fd)) return;
      try {
        if (!contended && files.isAt(fd, path)) files.unlinkSync(path);
      } finally {
        files.close(fd);
      }
    },
  };
}
