import type { Outcome } from './execute.ts';

/**
 * The real failures of an undo: those without a command that only found its work done already.
 * @param outcome the outcome of the undo's commands
 */
export function failuresOf({ error, refusals }: Pick<Outcome, 'error' | 'refusals'>): string[] {
  if (refusals !== undefined)
    return refusals.filter(({ errno }) => !DONE_ALREADY.has(errno)).map(({ text }) => text);
  return error?.split('; ').filter((part) => !ALREADY.test(part)) ?? [];
}

/** The kernel's error numbers for work that is done already: ENOENT, ESRCH, EEXIST, ENODEV, EADDRNOTAVAIL. */
const DONE_ALREADY: ReadonlySet<number> = new Set([2, 3, 17, 19, 99]);

/** The same in the messages of tools that give no number. */
const ALREADY =
  /File exists|Cannot find device|does not exist|No such (device|process|file)|Cannot assign requested address|already assigned|address not found|Bad rule|No chain\/target\/match/i;
