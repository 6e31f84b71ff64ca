import type { Outcome } from './execute.ts';

/**
 * The real failures of an undo: those without a command that only found its work done already.
 * @param outcome the outcome of the undo's commands
 */
export function failuresOf({ error, refusals }: Failed): string[] {
  if (refusals !== undefined)
    return refusals.filter(({ errno }) => !DONE_ALREADY.has(errno)).map(({ text }) => text);
  return error?.split('; ').filter((part) => !ALREADY.test(part)) ?? [];
}

/** The kernel's error numbers for work that is done already: ENOENT, ESRCH, EEXIST, ENODEV, EADDRNOTAVAIL. */
const DONE_ALREADY: ReadonlySet<number> = new Set([2, 3, 17, 19, 99]);

/** The same in the messages of tools that give no number. */
const ALREADY =
  /no bridge named|File exists|Cannot find device|does not exist|No such (device|process|file)|Cannot assign requested address|already assigned|address not found|Bad rule|No chain\/target\/match/i;

/** EEXIST */
const EXISTS = 17;
/** EINVAL, ERANGE, EOPNOTSUPP: a device does not support a value, as opposed to a failure of the device. */
const UNFIT: ReadonlySet<number> = new Set([22, 34, 95]);
/** The same in the messages of `ip`. */
const UNFIT_TEXT = /Invalid argument|not supported|out of range|mtu (less|greater) than device/i;

/**
 * Whether a command failed because what it adds exists.
 * @param outcome the outcome of the commands of which it was the last
 */
export function existsAlready(outcome: Failed): boolean {
  const errno = errnoOf(outcome);
  return errno === undefined ? /File exists/.test(outcome.error ?? '') : errno === EXISTS;
}

/**
 * Whether a command failed because a device does not support the value.
 * @param outcome the outcome of the commands of which it was the last
 */
export function isUnfit(outcome: Failed): boolean {
  const errno = errnoOf(outcome);
  return errno === undefined ? UNFIT_TEXT.test(outcome.error ?? '') : UNFIT.has(errno);
}

type Failed = Pick<Outcome, 'error' | 'refusals'>;

/** Undefined where a tool gave no number. */
function errnoOf({ refusals }: Failed): number | undefined {
  return refusals?.at(-1)?.errno;
}
