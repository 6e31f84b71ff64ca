import {
  checkMultiList,
  checkXendConfig,
  checkXlConf,
  type HookWords,
} from '../../../lib/desk/check/config.ts';
import { type Finding, tried } from '../../../lib/desk/check/finding.ts';
import { checkGuest } from '../../../lib/desk/check/guest.ts';
import type { HostFacts } from '../../../lib/desk/check/host-facts.ts';
import { findTwice, type Use, usesOf } from '../../../lib/desk/check/twice.ts';
import { XenstoreError } from '../../../lib/errors.ts';
import type { Context, Hooks } from '../../../lib/hook/context.ts';
import { readHostFacts } from '../../../lib/hook/guests/host-facts.ts';
import { FOREIGN, SAFEGUARDS } from '../../../lib/hook/network/network.ts';
import { hostName, readConfigFile } from '../../../lib/observe/host/config-file.ts';
import {
  type ConfigKind,
  configKind,
  filesBelow,
  XEN_FOLDER,
} from '../../../lib/observe/host/config-folder.ts';
import { xlSyntax } from '../../../lib/observe/host/xl-syntax.ts';
import { deviceNames, type ReadBackend, readBackends } from '../../../lib/observe/vif/backends.ts';
import { parseAddressList, prefixText } from '../../../lib/request/addresses.ts';
import { withXenstore } from '../../../lib/system/xenstore/open.ts';
import { type GuestFile, parseGuestFile } from '../../../lib/wire/config/guest-file.ts';

/** The arguments of "xen-network check". */
export interface CheckOptions {
  /** Files and folders; if none is named, /etc/xen. */
  readonly paths: readonly string[];
  readonly json: boolean;
}

const COULD_NOT_LOOK = 2;
/** The version of the form of --json's output. */
const JSON_VERSION = 1;

/** A file to check. */
interface Checked {
  readonly path: string;
  readonly kind: ConfigKind;
  readonly text: string;
  readonly guest?: GuestFile;
}

/**
 * Checks files before anything runs: syntax, unknown words, names that this host does not have, and what two guests
 * both need for themselves.
 * @param context the call
 * @param options the arguments
 * @param hooks all hooks
 * @returns 1 where something would not work, 2 where a file cannot be read
 */
export async function check(context: Context, { paths, json }: CheckOptions, hooks: Hooks): Promise<number> {
  const { system } = context;
  const unread: string[] = [];
  const checked = filesOf(context, paths.length === 0 ? [XEN_FOLDER] : paths, unread);
  const facts = readHostFacts(system);
  const words = await hookWords(context, hooks);
  const verdicts = xlVerdicts(context);
  const own = checked.flatMap((file) => verdicts(file, findingsIn(file, facts, words)));
  const asked = new Set(checked.map(({ path }) => path));
  const others =
    paths.length === 0 ? [] : filesOf(context, [XEN_FOLDER], []).filter(({ path }) => !asked.has(path));
  const uses = [...checked, ...others].flatMap(({ path, guest }) =>
    guest === undefined ? [] : usesOf(path, guest),
  );
  const twice = findTwice([...uses, ...(await runningUses(context))], asked);
  const findings = [...own, ...twice].sort(byPlace);
  if (json) printJson(context, checked, findings, unread);
  else printFindings(context, checked, findings, unread);
  if (unread.length > 0) return COULD_NOT_LOOK;
  return findings.some(({ isMild }) => !isMild) ? 1 : 0;
}

function byPlace(one: Finding, other: Finding): number {
  if (one.path !== other.path) return one.path < other.path ? -1 : 1;
  return one.line - other.line || one.column - other.column;
}

/**
 * A file that is named counts as a guest's unless it looks like another kind; in a folder, files that look like none
 * are skipped.
 */
function filesOf({ system }: Context, paths: readonly string[], unread: string[]): Checked[] {
  const files = paths.flatMap((path) =>
    system.kindOf(path) === 'folder'
      ? filesBelow(system, path).map((each) => ({ path: each, isNamed: false }))
      : [{ path, isNamed: true }],
  );
  const once = new Map(files.map((file) => [file.path, file]));
  return [...once.values()].flatMap(({ path, isNamed }) => {
    const file = readConfigFile(system, path);
    if ('problem' in file) {
      // A picture in a folder of guests is no mistake.
      if (isNamed || file.isUnreadable || /\.(cfg|sxp|conf)$/.test(path)) unread.push(file.problem);
      return [];
    }
    const kind = configKind(path, file.text) ?? (isNamed ? 'guest' : undefined);
    if (kind === undefined) return [];
    return [
      { path, kind, text: file.text, ...(kind === 'guest' ? { guest: parseGuestFile(file.text) } : {}) },
    ];
  });
}

function findingsIn({ path, kind, text, guest }: Checked, facts: HostFacts, words: HookWords): Finding[] {
  if (guest !== undefined) return checkGuest(path, guest, facts);
  if (kind === 'xend') return checkXendConfig(path, text, facts, words);
  return kind === 'xl-conf' ? checkXlConf(path, text, facts) : checkMultiList(path, text, words);
}

async function hookWords({ networkHooks }: Context, hooks: Hooks): Promise<HookWords> {
  const known = [...(await networkHooks())].filter(([name]) => Object.hasOwn(hooks, name));
  return {
    variables: new Map(known.map(([name, hook]) => [name, [...hook.variables, ...SAFEGUARDS]])),
    foreign: FOREIGN,
  };
}

/** xl's own reader decides about syntax where it works; after its first failure it is not asked again. */
function xlVerdicts({
  system,
}: Context): (file: Checked, findings: readonly Finding[]) => readonly Finding[] {
  let works = true;
  return ({ path, guest }, findings) => {
    const verdict = guest !== undefined && works ? xlSyntax(system, path) : undefined;
    if (verdict === undefined) return findings;
    if (verdict.kind === 'none') works = false;
    const isSyntax = ({ line, column, text }: Finding) =>
      guest?.faults.some((fault) => fault.line === line && fault.column === column && fault.text === text) ===
      true;
    if (verdict.kind === 'fine') return findings.filter((finding) => !isSyntax(finding));
    if (verdict.kind === 'none' || guest?.faults.length !== 0) return findings;
    return [
      ...findings,
      ...verdict.faults.map(({ line, text }) => ({ path, line, column: 1, text, isMild: false })),
    ];
  };
}

/** What running guests use; empty where xenstore does not answer. */
async function runningUses({ system, env }: Context): Promise<Use[]> {
  try {
    return await withXenstore(await system.native(), env, async (store) =>
      (await readBackends(store, ['mac', 'vifname', 'ip'])).flatMap(usesOfCard),
    );
  } catch (thrown) {
    if (thrown instanceof XenstoreError) return [];
    throw thrown;
  }
}

function usesOfCard(backend: ReadBackend): Use[] {
  const { mac, vifname, ip } = backend.values;
  const base = {
    guest: backend.guest ?? `domain ${backend.domid}`,
    path: undefined,
    line: 0,
    column: 0,
    where: deviceNames(backend)[0],
  };
  return [
    ...(mac === undefined ? [] : [{ ...base, what: 'MAC address', value: mac.toLowerCase() } as const]),
    ...(vifname ? [{ ...base, what: 'vifname', value: vifname } as const] : []),
    ...rangesOf(ip ?? '').map(
      (range) =>
        ({
          ...base,
          what: 'IP address',
          value: prefixText(range).replace(/\/(32|128)$/, ''),
          range,
        }) as const,
    ),
  ];
}

function rangesOf(list: string) {
  const read = tried(() => parseAddressList(list));
  return 'value' in read ? read.value : [];
}

function printFindings(
  { print, log }: Context,
  checked: readonly Checked[],
  findings: readonly Finding[],
  unread: readonly string[],
): void {
  for (const { path, line, column, text, isMild } of findings)
    print(`${path}:${line}:${column}: ${isMild ? 'warning' : 'error'}: ${text}\n`);
  for (const sentence of unread) log.error(sentence);
  const errors = findings.filter(({ isMild }) => !isMild).length;
  print(
    `${count(checked.length, 'file')}: ${count(errors, 'error')}, ${count(findings.length - errors, 'warning')}.\n`,
  );
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function printJson(
  { system, print }: Context,
  checked: readonly Checked[],
  findings: readonly Finding[],
  unread: readonly string[],
): void {
  const found = {
    version: JSON_VERSION,
    host: hostName(system),
    files: checked.map(({ path, kind }) => ({ path, kind })),
    findings: findings.map(({ path, line, column, text, isMild }) => ({
      path,
      line,
      column,
      severity: isMild ? 'warning' : 'error',
      text,
    })),
    unread,
  };
  print(`${JSON.stringify(found, null, 2)}\n`);
}
