import { parseArguments, type Values } from '../request/arguments.ts';
import type { VifSettings } from '../request/vif.ts';

/** Settings that decide about a device's filter, VLANs and counters that may have come by an argument only. */
const TOLD = ['locking', 'ip', 'mac', 'vlan', 'account'];
const MARKED = ['antispoof', 'filter', 'notrack', ...TOLD];

/**
 * The stored settings: what online writes under STORED_SETTINGS_KEY in xenstore.
 * @param settings the settings with which the device is attached
 * @param strict whether the strict filter covers the device
 * @param given environment and arguments, merged
 * @param stored the values that xenstore has under keys of their own, which are not stored again
 * @returns words such as "antispoof=strict notrack=yes"; undefined where every setting has its default
 */
export function storedSettings(
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
    // The value must be one word; a list of addresses may have commas instead of blanks.
    ...told.map((name) => `${name}=${(given[name] ?? '').trim().replace(/\s+/g, ',')}`),
  ];
  return words.length === 0 ? undefined : words.join(' ');
}

/**
 * Reads the stored settings.
 * @param text the words; undefined where there is no such key
 */
export function markedValues(text: string | undefined): Values {
  return parseArguments((text ?? '').split(' '), MARKED).values;
}
