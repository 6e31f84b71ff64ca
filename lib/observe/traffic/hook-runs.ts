import { type HookRecord, type HookRuns, withRuns } from '../../record/hook-runs.ts';
import { HOOK_RUNS, HOOK_TOTALS, hookPartPath } from '../../record/paths.ts';
import type { System } from '../../system/system.ts';
import { isRecord } from '../../wire/json.ts';
import { readJson } from '../records.ts';

/**
 * Reads the record of the calls of hooks that are added up.
 * @param system the way to the file
 */
export function readHookRecord(system: System): HookRecord {
  return readJson(system, HOOK_TOTALS, isHookRecord) ?? { runs: {}, part: 0 };
}

/**
 * All calls of hooks that were noted.
 * @param system the way to the files
 */
export function readHookRuns(system: System): HookRuns {
  const { runs, part } = readHookRecord(system);
  const parts = [hookPartPath(part + 1), HOOK_RUNS].map((path) => system.readText(path) ?? '');
  return parts.reduce(withRuns, runs);
}

function isHookRecord(value: unknown): value is HookRecord {
  return (
    isRecord(value) &&
    Number.isInteger(value['part']) &&
    isRecord(value['runs']) &&
    Object.values(value['runs']).every(
      (own) => isRecord(own) && ['runs', 'failures', 'seconds'].every((key) => Number.isFinite(own[key])),
    )
  );
}
