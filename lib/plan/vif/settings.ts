import { settingPath } from '../../record/paths.ts';
import { type DeviceMark, type Step, setting } from '../step.ts';

/**
 * The steps that give kernel settings of a device one value. A setting that has the value, or that this kernel does not
 * have, needs no step.
 * @param device the device when the steps are run
 * @param present its present name
 * @param now the present settings by the paths under its present name
 * @param keys the settings, as `settingPath` takes them
 * @param value the wanted value
 * @param why the steps' reason
 */
export function settingSteps(
  device: DeviceMark,
  present: string,
  now: Readonly<Record<string, string | undefined>>,
  keys: readonly string[],
  value: string,
  why: string,
): Step[] {
  return keys.flatMap((key) => {
    const before = now[settingPath(key, present)];
    if (before === undefined || before === value) return [];
    const path = settingPath(key, device.name);
    const undo = device.index === 'new' ? [] : [setting(path, before)];
    return [{ do: setting(path, value), undo, why, device }];
  });
}
