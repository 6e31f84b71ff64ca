import { vifRecordPath } from '../contract/paths.ts';
import type { System } from '../system/system.ts';

/** What online left for a device, so that a repeated online and an offline know it without listing all rules. */
export interface VifRecord {
  /** The name that the device was given. */
  readonly name: string;
  readonly bridge: string;
  /** The FORWARD rules that were inserted, without -A, by family. */
  readonly rules: { readonly 4: readonly string[]; readonly 6: readonly string[] };
}

/**
 * Reads a record.
 * @param system the way to the file
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 * @returns undefined when there is none or it is damaged
 */
export function readVifRecord(system: System, device: string): VifRecord | undefined {
  return readJson(system, vifRecordPath(device), isVifRecord);
}

/**
 * Reads a JSON file of our own.
 * @param system the way to the file
 * @param path the file
 * @param fits tells whether the content has the form that is expected
 * @returns undefined when it is not there, no JSON or of another form
 */
export function readJson<T>(
  system: System,
  path: string,
  fits: (value: unknown) => value is T,
): T | undefined {
  const text = system.readText(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return fits(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether a value is an object with fields.
 * @param value anything
 */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isVifRecord(value: unknown): value is VifRecord {
  if (!isRecord(value) || !isRecord(value['rules'])) return false;
  const lists = [value['rules']['4'], value['rules']['6']];
  return (
    typeof value['name'] === 'string' && typeof value['bridge'] === 'string' && lists.every(Array.isArray)
  );
}
