import type { Host } from './hosts/host.ts';

/** As the kernel ends a program where memory is short. */
const KILLED = '#!/bin/sh\nkill -9 $$\n';
/** The first folder in which hooks look for a program. */
const FIRST = '/usr/local/sbin';

/**
 * Does something while each run of a program is killed.
 * @param host on which it is killed
 * @param program its name
 * @param work what is done meanwhile
 */
export async function whileKilled<T>(host: Host, program: string, work: () => T | Promise<T>): Promise<T> {
  host.ok('mount', '-t', 'tmpfs', 'tmpfs', FIRST);
  host.write(`${FIRST}/${program}`, KILLED, '755');
  try {
    return await work();
  } finally {
    host.ok('umount', FIRST);
  }
}
