import { listed } from '../../text.ts';
import { complaint, type Rule } from './complaint.ts';

/** More than any hook may take: xl kills one after 40 s, and network hooks give up after a minute. */
const LONG_SECONDS = 120;

const interruptedRuns: Rule = ({ left: { interrupted } }) =>
  interrupted.length === 0
    ? []
    : [
        complaint(
          'host',
          'error',
          `${listed(interrupted)} ${interrupted.length === 1 ? 'was' : 'were'} interrupted half-way. Run "xen-network recover".`,
        ),
      ];

const leftovers: Rule = ({ left }) =>
  left.leftovers.length === 0
    ? []
    : [
        complaint(
          'host',
          'warning',
          `Something is left of devices that are gone: ${listed(left.leftovers)}. A new guest with their number would get it. Run "xen-network recover".`,
        ),
      ];

const pendingStarts: Rule = ({ left: { pending } }) =>
  pending.map(({ id, seconds }) =>
    complaint(
      'host',
      'warning',
      seconds > 0
        ? `${id} is undone in ${seconds} s. Run "xen-network confirm" to keep it.`
        : `The time to confirm ${id} is over, and nothing has undone it: the process that waits for it is gone. Run "xen-network confirm" to keep it, or "xen-network recover" to undo it.`,
    ),
  );

const unowned: Rule = ({ left }) =>
  left.unowned.map((device) =>
    complaint(
      'host',
      'warning',
      `The device ${device} is here, and xenstore has no guest with such a card: its guest died without an offline. Run "ip link delete dev ${device}", then "xen-network recover".`,
    ),
  );

const bereft: Rule = ({ left }) =>
  left.bereft.map(({ hook, device, record }) =>
    complaint(
      'network',
      'error',
      `${hook} was started on ${device}, which is gone: guests behind it reach nobody. Bring the device back, or run "${hook} stop"; its record is ${record}.`,
    ),
  );

const heldLocks: Rule = ({ left: { locks } }) =>
  locks
    .filter(({ seconds, isStopped }) => isStopped || seconds > LONG_SECONDS)
    .map(({ path, pid, program, seconds, isStopped }) =>
      complaint(
        'host',
        'error',
        isStopped
          ? `${program} (process ${pid}) holds the lock ${path} and is stopped: hooks wait for it until they give up. Let it go on ("kill -CONT ${pid}"), or end it.`
          : `${program} (process ${pid}) has held the lock ${path} for ${seconds} s: hooks wait for it until they give up. Look what it waits for ("ps -o stat,wchan,args ${pid}"), or end it ("kill ${pid}").`,
      ),
    );

/** What former runs and guests left behind. */
export const LEFT_RULES: readonly Rule[] = [
  interruptedRuns,
  leftovers,
  pendingStarts,
  unowned,
  bereft,
  heldLocks,
];
