import type { System } from '../../system/system.ts';

/** A line of a udev rule that calls a vif hook. */
export interface UdevCall {
  /** FILE:LINE. */
  readonly place: string;
  readonly hook: string;
  /** Whether it sets UDEV_CALL, by which the hooks know that xl may call them, too. */
  readonly isGuarded: boolean;
}

/** A file of an earlier folder replaces one of the same name in a later one (udev(7)). */
const FOLDERS = [
  '/etc/udev/rules.d',
  '/run/udev/rules.d',
  '/usr/local/lib/udev/rules.d',
  '/usr/lib/udev/rules.d',
  '/lib/udev/rules.d',
];

/**
 * The lines of udev's rules that call vif hooks.
 * @param system the way to the rules
 */
export function readUdevCalls(system: System): UdevCall[] {
  const files = new Map<string, string>();
  for (const folder of FOLDERS)
    for (const name of system.list(folder).filter((each) => each.endsWith('.rules')))
      if (!files.has(name)) files.set(name, `${folder}/${name}`);
  return [...files.values()].flatMap((path) => callsIn(path, system.readText(path) ?? ''));
}

function callsIn(path: string, text: string): UdevCall[] {
  if (!text.includes('vif-')) return [];
  // A rule may go on in the next line after a "\".
  const lines = text.split('\n');
  const calls: UdevCall[] = [];
  for (let at = 0; at < lines.length; at++) {
    const begun = at;
    let rule = lines[at] ?? '';
    while (rule.endsWith('\\') && at + 1 < lines.length) rule = `${rule.slice(0, -1)}${lines[++at]}`;
    const hook = /^\s*[^#\s].*\bRUN(?:\{program\})?\s*\+?=\s*"[^"]*?\/(vif-[a-z-]+)/.exec(rule)?.[1];
    if (hook === undefined) continue;
    calls.push({ place: `${path}:${begun + 1}`, hook, isGuarded: /ENV\{UDEV_CALL\}\s*=\s*"/.test(rule) });
  }
  return calls;
}
