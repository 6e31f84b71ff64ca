import { record, type Step } from './step.ts';

/**
 * Writes down what a later run has to know, or forgets it; no step where that is written there already.
 * @param path where it lies
 * @param before what lies there now
 * @param after what is to lie there; undefined to forget it
 * @param what whose it is, for the reason
 */
export function remember(
  path: string,
  before: object | undefined,
  after: object | undefined,
  what: string,
): Step[] {
  const text = (saved: object | undefined) =>
    saved === undefined ? undefined : `${JSON.stringify(saved)}\n`;
  if (text(before) === text(after)) return [];
  return [
    {
      do: record(path, text(after)),
      undo: [record(path, text(before))],
      why: `${after === undefined ? 'forget' : 'remember'} ${what}`,
    },
  ];
}
