import { parseArguments, type Values } from '../request/arguments.ts';
import type { VifSettings } from '../request/vif.ts';

/** What decides about a device's filter, where an argument alone may have told it. */
const TOLD = ['locking', 'ip', 'mac'];
const MARKED = ['antispoof', 'filter', 'notrack', ...TOLD];

/**
 * What is left under the key.
 * @param settings the settings that the device is attached with
 * @param strict the strict filter holds it
 * @param given environment and arguments, merged
 * @param stored what xenstore holds, by key: what it tells itself is not left once more
 * @returns words such as "antispoof=strict notrack=yes"; undefined where all is as it is unless told
 */
export function settingsMark(
  settings: VifSettings,
  strict: boolean,
  given: Values = {},
  stored: Readonly<Record<string, string | undefined>> = {},
): string | undefined {
  const told = TOLD.filter((name) => given[name] !== undefined && (stored[name] ?? '') === '');
  const words = [
    ...(strict ? ['antispoof=strict'] : []),
    ...(settings.filter ? [] : ['filter=no']),
    ...(settings.notrack === 'auto' ? [] : [`notrack=${settings.notrack}`]),
    // Addresses may have commas between them as well as blanks.
    ...told.map((name) => `${name}=${(given[name] ?? '').trim().replace(/\s+/g, ',')}`),
  ];
  return words.length === 0 ? undefined : words.join(' ');
}

/**
 * The settings in what was left under the key.
 * @param text the words; undefined where there is no such key
 */
export function markedValues(text: string | undefined): Values {
  return parseArguments((text ?? '').split(' '), MARKED).values;
}
