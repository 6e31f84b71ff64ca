import { withFirewall } from '../../../lib/system/kernel/firewall.ts';
import type { FileLock, Native } from '../../../lib/system/kernel/native.ts';
import { openSystem, type System } from '../../../lib/system/system.ts';
import { XS_TYPE } from '../../../lib/wire/xenstore.ts';
import { driverNative } from '../faults/driver-native.ts';
import { faultySystem, type StepWatch } from '../faults/faulty-system.ts';
import { mortal } from '../faults/mortal.ts';

const native = await driverNative();

/** Lets something happen once, after a number of steps, and notes which locks are held before each. */
export class Boundary implements StepWatch {
  readonly #at: number;
  readonly #happens: () => void;
  readonly locks = new Set<string>();
  /** What is held before each step, in one text. */
  readonly held: string[] = [];
  /** The steps, counted from 0, that only ask: the host is the same before and after them. */
  readonly questions = new Set<number>();
  passed = false;

  /**
   * @param at after so many steps
   * @param happens what happens then; when it throws, the step and all that is left of its call are not done
   */
  constructor(at: number, happens: () => void) {
    this.#at = at;
    this.#happens = happens;
  }

  /** Lets a step be done that only asks. */
  asking<T>(ask: () => T): T {
    this.questions.add(this.held.length);
    return this.through(1, ask, ask);
  }

  through<T>(
    count: number,
    all: () => T,
    upTo: (n: number, skipped: boolean) => T,
    rest?: (n: number, done: T) => T,
  ): T {
    const n = this.#at - this.held.length;
    const held = [...this.locks].join(' ');
    for (let step = 0; step < count; step++) this.held.push(held);
    if (this.passed || n >= count) return all();
    this.passed = true;
    if (n === 0 || rest === undefined) {
      this.#happens();
      return all();
    }
    const done = upTo(n, false);
    this.#happens();
    return rest(n, done);
  }
}

/**
 * As the faulty system, and words to xenstore and locks are steps as well: a lock's boundary is before it is asked for.
 * @param watch comes between the steps
 * @param door how devices and rules are changed
 * @param isDead whether the program has been killed, so that nothing more is done
 */
export function watched(watch: Boundary, door: 'kernel' | 'ip', isDead: () => boolean): System {
  const alive =
    <T>(does: () => T) =>
    (): T => {
      if (isDead()) throw new Error('The program is dead.');
      return does();
    };
  const single = <T>(does: () => T): T => watch.through(1, alive(does), alive(does));
  const lock = async (path: string, waitMs: number): Promise<FileLock> => {
    const taken = await single(() => native.lock(path, waitMs));
    watch.locks.add(path);
    return {
      ...taken,
      release() {
        watch.locks.delete(path);
        taken.release();
      },
    };
  };
  const system = withFirewall(openSystem(native));
  const ways: Native = {
    ...native,
    lock,
    async connectStream(path, timeoutMs) {
      const channel = await native.connectStream(path, timeoutMs);
      return {
        send: (bytes) =>
          asksOnly(bytes)
            ? watch.asking(alive(() => channel.send(bytes)))
            : single(() => channel.send(bytes)),
        receive: () => channel.receive(),
        close: () => channel.close(),
      };
    },
  };
  const steps = {
    ...faultySystem(system, watch, door),
    native: async () => ways,
    // The clock of a start that waits for its confirmation is set on by hand.
    startDetached: () => {},
  };
  return mortal(steps, isDead);
}

/** Requests to xenstored that change nothing which others see. */
const ASKS: ReadonlySet<number> = new Set([
  XS_TYPE.directory,
  XS_TYPE.read,
  XS_TYPE.getPerms,
  XS_TYPE.transactionStart,
  XS_TYPE.getDomainPath,
  XS_TYPE.isDomainIntroduced,
  XS_TYPE.directoryPart,
]);
const HEADER_BYTES = 16;

/** Whether all requests in what is sent only ask; a switch, which is spoken to in JSON, is never told anything by a stream. */
function asksOnly(bytes: Uint8Array): boolean {
  if (bytes[0] === '{'.charCodeAt(0)) return true;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  while (at + HEADER_BYTES <= bytes.length && ASKS.has(view.getUint32(at, true)))
    at += HEADER_BYTES + view.getUint32(at + 12, true);
  return at === bytes.length;
}
