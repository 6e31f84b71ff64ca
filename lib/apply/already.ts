import type { Outcome } from './execute.ts';

/**
 * The failures among those of an undo: what was done already is none.
 * @param outcome what became of its commands
 */
export function failuresOf({ error, refusals }: Pick<Outcome, 'error' | 'refusals'>): string[] {
  if (refusals !== undefined)
    return refusals.filter(({ errno }) => !DONE_ALREADY.has(errno)).map(({ text }) => text);
  return error?.split('; ').filter((part) => !ALREADY.test(part)) ?? [];
}

/** ENOENT, ESRCH, EEXIST, ENODEV, EADDRNOTAVAIL: the kernel's numbers for it. */
const DONE_ALREADY: ReadonlySet<number> = new Set([2, 3, 17, 19, 99]);

/** What the tools say, of which there is no number, when there was nothing to take back. */
const ALREADY =
  /File exists|Cannot find device|does not exist|No such (device|process|file)|Cannot assign requested address|already assigned|address not found|Bad rule|No chain\/target\/match/i;
