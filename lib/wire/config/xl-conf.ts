import { parseXlFile, type XlSetting } from './xl-config.ts';

/** The path of xl's own settings. */
export const XL_CONF = '/etc/xen/xl.conf';

/** The script that xl runs for guests' cards that name none (xl.conf(5)). */
export const USUAL_VIF_SCRIPT = 'vif-bridge';

/**
 * The last setting with a name, which is the one that xl takes.
 * @param settings the file's settings, in order
 * @param name such as vif.default.script
 */
export function settingOf(settings: readonly XlSetting[], name: string): XlSetting | undefined {
  return [...settings].reverse().find((setting) => setting.name === name);
}

/**
 * The value of a setting, as text.
 * @param settings the file's settings, in order
 * @param name such as vif.default.script
 * @returns undefined where it is not set, or is a list
 */
export function textOf(settings: readonly XlSetting[], name: string): string | undefined {
  const value = settingOf(settings, name)?.value;
  return value?.kind === 'atom' ? value.text : undefined;
}

/**
 * The script that xl runs for a guest's card that names none.
 * @param text the content of xl.conf; empty where there is no such file
 */
export function defaultVifScript(text: string): string {
  return textOf(parseXlFile(text).settings, 'vif.default.script') ?? USUAL_VIF_SCRIPT;
}
