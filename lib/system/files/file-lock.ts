import { LockError, XenNetworkError } from '../../errors.ts';
import { isHostLock } from '../../record/paths.ts';
import type { FileLock } from '../kernel/native.ts';
import { errnoName, errnoWords, OPEN } from '../kernel/native-errors.ts';
import { areWaitsInterrupted, waitText, within } from '../processes/deadline.ts';
import type { FileSystem, OpenFiles } from './files.ts';

/** The lock was free; it was taken after a wait; another process held it the whole time. */
export type Taken = 'free' | 'waited' | 'busy';

/** Waits for the exclusive flock(2) of an open file. */
export type Flock = (fd: number, timeoutMs: number) => Promise<Taken>;

/** This runtime's calls on files. */
export type LockFiles = OpenFiles & Pick<FileSystem, 'mkdirSync' | 'unlinkSync'>;

const heldFds = new Set<number>();

/**
 * The file descriptors of all locks that this process holds. A lock is held as long as any process has its file open.
 */
export function heldLocks(): number[] {
  return [...heldFds];
}

/**
 * Takes a lock as the stock scripts do: it makes the file, locks it with flock(2), and starts again when the path then
 * names another file, because a holder may remove the file before it unlocks it (docs/contract.md, "Locks").
 * @param path the lock's file; its folder is made where it is missing
 * @param timeoutMs how long to wait for another holder, in milliseconds
 * @param flock this runtime's call of flock(2)
 * @param files this runtime's calls on files
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
      return heldLock(fd, path, taken === 'waited' || isHostLock(path), files);
    }
    files.close(fd);
  }
}

function openLockFile(path: string, files: LockFiles): number {
  const open = () => files.open(path, OPEN.readWrite | OPEN.create, 0o600);
  try {
    return open();
  } catch (error) {
    if (errnoName(error) === 'ENOENT') return openInNewFolder(path, files, open);
    throw unmade(path, error);
  }
}

function openInNewFolder(path: string, files: LockFiles, open: () => number): number {
  try {
    files.mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true, mode: 0o755 });
    return open();
  } catch (error) {
    throw unmade(path, error);
  }
}

function unmade(path: string, cause: unknown): XenNetworkError {
  return new XenNetworkError(`The lock file ${path} cannot be made: ${errnoWords(cause)}.`, { cause });
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
 * A lock that this process holds. If it had to wait for the lock, others probably wait too. If the file went, they
 * would all have to start again one after the other, so the file stays for the next holder that did not wait to remove.
 * The files of host-wide locks, for which hundreds of hooks may wait, always stay.
 */
function heldLock(fd: number, path: string, stays: boolean, files: LockFiles): FileLock {
  heldFds.add(fd);
  return {
    release(): void {
      if (!heldFds.delete(fd)) return;
      try {
        if (!stays && files.isAt(fd, path)) files.unlinkSync(path);
      } finally {
        files.close(fd);
      }
    },
  };
}
