import { parseXlFile, type XlSetting } from './xl-config.ts';

/** Where xl's own settings lie. */
export const XL_CONF = '/etc/xen/xl.conf';

/** What runs for guests' cards that name no script (xl.conf(5)). */
export const USUAL_VIF_SCRIPT = 'vif-bridge';

/**
 * The last setting of a name, which is the one that xl takes.
 * @param settings of a file, in order
 * @param name such as vif.default.script
 */
export function settingOf(settings: readonly XlSetting[], name: string): XlSetting | undefined {
  return [...settings].reverse().find((setting) => setting.name === name);
}

/**
 * The text of a setting that is one value.
 * @param settings of a file, in order
 * @param name such as vif.default.script
 * @returns undefined where it is not set, or is a list
 */
export function textOf(settings: readonly XlSetting[], name: string): string | undefined {
  const value = settingOf(settings, name)?.value;
  return value?.kind === 'atom' ? value.text : undefined;
}

/**
 * The script that xl runs for a guest's card that names none.
 * @param text xl.conf; empty where it is not there
 */
export function defaultVifScript(text: string): string {
  return textOf(parseXlFile(text).settings, 'vif.default.script') ?? USUAL_VIF_SCRIPT;
}
