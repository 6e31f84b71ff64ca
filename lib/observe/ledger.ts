import type { Held, Ledger } from '../contract/claims.ts';
import { LEDGER } from '../contract/paths.ts';
import type { System } from '../system/system.ts';
import { isRecord, readJson } from './records.ts';

/**
 * Reads who holds what.
 * @param system the way to the file
 */
export function readLedger(system: System): Ledger {
  const exists = ([path]: readonly [string, string]) => system.exists(path);
  // Devices come and go, and their settings with them.
  return (readJson(system, LEDGER, isLedger) ?? []).map((held) => ({
    ...held,
    beside: Object.fromEntries(Object.entries(held.beside).filter(exists)),
  }));
}

function isLedger(value: unknown): value is Ledger {
  return Array.isArray(value) && value.every(isHeld);
}

function isHeld(value: unknown): value is Held {
  return (
    isRecord(value) && isRecord(value['claim']) && isRecord(value['beside']) && Array.isArray(value['users'])
  );
}
