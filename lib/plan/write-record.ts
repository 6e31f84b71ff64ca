import { record, type Step } from './step.ts';

/**
 * The step that writes or removes a record; none where the record does not change.
 * @param path the record's path
 * @param before the present record
 * @param after the new record; undefined to remove it
 * @param what the record's content, for the reason
 */
export function writeRecord(
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
      why: `${after === undefined ? 'remove the record of' : 'record'} ${what}`,
    },
  ];
}
