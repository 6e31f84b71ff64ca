import { parseArguments, type Values } from './arguments.ts';
import type { VifSettings } from './vif-request.ts';

const MARKED = ['antispoof', 'filter', 'notrack'];

/**
 * What is left under the key.
 * @param settings the settings that the device is attached with
 * @param strict the strict filter holds it
 * @returns words such as "antispoof=strict notrack=yes"; undefined where all is as it is unless told
 */
export function settingsMark(settings: VifSettings, strict: boolean): string | undefined {
  const words = [
    ...(strict ? ['antispoof=strict'] : []),
    ...(settings.filter ? [] : ['filter=no']),
    ...(settings.notrack === 'auto' ? [] : [`notrack=${settings.notrack}`]),
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
