import { LOCKS } from '../../record/paths.ts';
import type { System } from '../../system/system.ts';
import { ageOf, processFields, wordsOf } from '../host/service.ts';

/** A lock that a process holds. */
export interface HeldLock {
  readonly path: string;
  readonly pid: number;
  readonly program: string;
  /** How old the process is. */
  readonly seconds: number;
  /** Whether somebody stopped the process (SIGSTOP, a debugger). */
  readonly isStopped: boolean;
}

/** /var/run is a link to /run. */
const OURS = [`${LOCKS}/`, '/run/xen-hotplug/', '/var/run/xen-hotplug/'];

/**
 * The locks of hooks that processes hold now, this one left out. /proc/locks does not tell all of them: a shell script
 * takes a lock by flock(1), which has ended since, and the lock belongs to whoever has the file open.
 * @param system the way to /proc
 */
export function readHeldLocks(system: System): HeldLock[] {
  const pids = system.list('/proc').filter((name) => /^\d+$/.test(name));
  // There is one of these for each guest, with many files.
  const others = pids.filter((pid) => system.readText(`/proc/${pid}/comm`)?.startsWith('qemu') === false);
  return others.map(Number).flatMap((pid) => heldBy(system, pid));
}

function heldBy(system: System, pid: number): HeldLock[] {
  if (pid === process.pid) return [];
  const paths = system
    .list(`/proc/${pid}/fd`)
    .map((fd) => ({ fd, path: system.linkTarget(`/proc/${pid}/fd/${fd}`) ?? '' }))
    .filter(({ path }) => OURS.some((folder) => path.startsWith(folder)))
    .filter(({ fd }) => /^lock:/m.test(system.readText(`/proc/${pid}/fdinfo/${fd}`) ?? ''))
    .map(({ path }) => path);
  if (paths.length === 0) return [];
  const [state] = processFields(system, pid);
  const seconds = Math.floor(ageOf(system, pid) / 1000);
  const [program = ''] = wordsOf(system, pid);
  return [...new Set(paths)].map((path) => ({
    path,
    pid,
    program: program.slice(program.lastIndexOf('/') + 1),
    seconds,
    isStopped: state === 'T' || state === 't',
  }));
}
