import { nearest, refuseMistypes } from '../../request/mistypes.ts';
import { parseMultiLine } from '../../request/multi-bridge.ts';
import { listed, quote } from '../../text.ts';
import { parseXendConfig, type ScriptLine } from '../../wire/config/xend-config.ts';
import { textOf, USUAL_VIF_SCRIPT, XL_CONF } from '../../wire/config/xl-conf.ts';
import { parseXlFile } from '../../wire/config/xl-config.ts';
import { type Finding, type Findings, findingsOf, tried } from './finding.ts';
import type { HostFacts } from './host-facts.ts';

/** The network hooks that a file may call, and the variables that each knows. */
export interface HookWords {
  readonly variables: ReadonlyMap<string, readonly string[]>;
  /** The variables of all network hooks, which a wrapper may pass to several of them. */
  readonly foreign: readonly string[];
}

/** The hook that reads a list of calls; its further arguments are calls too. */
const MULTI_HOOK = 'network-multi-bridge';

/**
 * Checks the network settings of xend-config.sxp.
 * @param path the file's path
 * @param text the file's content
 * @param facts the host
 * @param hooks the hooks
 */
export function checkXendConfig(path: string, text: string, facts: HostFacts, hooks: HookWords): Finding[] {
  const findings = findingsOf(path);
  const { networkScript, vifScript, faults } = parseXendConfig(text);
  for (const fault of faults) findings.fault(fault);
  if (networkScript !== undefined) checkNetworkScript(networkScript, facts, hooks, findings);
  if (vifScript !== undefined) checkVifScript(vifScript, facts, findings);
  return [...findings.all];
}

function checkNetworkScript(
  script: ScriptLine,
  facts: HostFacts,
  hooks: HookWords,
  findings: Findings,
): void {
  const [name = '', ...words] = script.words.filter((word) => word !== '');
  if (name === '' || name === 'network-dummy') return;
  if (name.startsWith('vif-')) {
    findings.error(
      script,
      `${name} is a hook for guests' cards, and starts no network. Name a network hook.`,
    );
    return;
  }
  const fault = facts.scriptFault(name);
  const meant = nearest(name, [...hooks.variables.keys(), MULTI_HOOK]);
  if (fault !== undefined)
    findings.error(
      script,
      `The script ${quote(name)} ${fault}${meant === undefined || meant === name ? '.' : `; did you mean ${meant}?`}`,
    );
  const variables = hooks.variables.get(name);
  if (variables === undefined) return;
  const read = tried(() => refuseMistypes(words, { commands: [], variables, foreign: hooks.foreign }));
  if ('sentence' in read) findings.error(script, read.sentence.replace(/ Nothing was changed\.$/, ''));
}

function checkVifScript(script: ScriptLine, facts: HostFacts, findings: Findings): void {
  const [name = ''] = script.words;
  const fault = name === '' ? undefined : facts.scriptFault(name);
  if (fault !== undefined) findings.error(script, `The script ${quote(name)} ${fault}.`);
  const base = (path: string) => path.slice(path.lastIndexOf('/') + 1);
  if (name !== '' && base(name) !== base(facts.usualScript))
    findings.warning(
      script,
      `Guests of xl get ${base(facts.usualScript)}, and not ${base(name)}: xl reads ${XL_CONF} alone. Write this line there: vif.default.script="${name}"`,
    );
}

const XL_VIF = [
  'vif.default.script',
  'vif.default.bridge',
  'vif.default.gatewaydev',
  'vif.default.backend',
] as const;
/** The names of these settings before Xen 4.3. */
const OLD_NAMES: Readonly<Record<string, string>> = {
  vifscript: 'vif.default.script',
  defaultbridge: 'vif.default.bridge',
};

/**
 * Checks the network settings of xl.conf.
 * @param path the file's path
 * @param text the file's content
 * @param facts the host
 */
export function checkXlConf(path: string, text: string, facts: HostFacts): Finding[] {
  const findings = findingsOf(path);
  const { settings, faults } = parseXlFile(text);
  for (const fault of faults) findings.fault(fault);
  for (const setting of settings) {
    const value = setting.value.kind === 'atom' ? setting.value.text : undefined;
    const now = OLD_NAMES[setting.name];
    const known = XL_VIF.find((name) => name === setting.name);
    if (now !== undefined)
      findings.warning(setting, `${setting.name} is the old name of ${now}; write that.`);
    else if (known !== undefined && value === undefined)
      findings.error(setting, `${known} is a list; it takes one text.`);
    else if (setting.name.startsWith('vif') && known === undefined)
      findings.error(
        setting,
        `xl knows no ${setting.name}; did you mean ${nearest(setting.name, XL_VIF) ?? listed(XL_VIF)}?`,
      );
    const fault = known === 'vif.default.script' && value ? facts.scriptFault(value) : undefined;
    if (fault !== undefined) findings.error(setting.value, `The script ${quote(value ?? '')} ${fault}.`);
    const script = textOf(settings, 'vif.default.script') ?? USUAL_VIF_SCRIPT;
    if (known === 'vif.default.bridge' && value && /vif-bridge$/.test(script))
      checkBridge(setting.value, value, facts, findings);
    if (setting.name === 'run_hotplug_scripts' && value === '0')
      findings.warning(
        setting,
        'With run_hotplug_scripts=0 xl calls no script, and udev has to; guests hang where it has no rule for that.',
      );
  }
  return [...findings.all];
}

function checkBridge(
  place: { line: number; column: number },
  name: string,
  facts: HostFacts,
  findings: Findings,
): void {
  if (facts.bridges.some((bridge) => bridge.name === name)) return;
  findings.error(
    place,
    `The bridge ${name} does not exist. The bridges of this host are ${listed(facts.bridges.map((bridge) => bridge.name))}. Start the network (xen-network start), or correct the name.`,
  );
}

/**
 * Checks a list of network-multi-bridge.
 * @param path the file's path
 * @param text the file's content
 * @param hooks the hooks
 */
export function checkMultiList(path: string, text: string, hooks: HookWords): Finding[] {
  const findings = findingsOf(path);
  const names = [...hooks.variables.keys()];
  const seen = new Map<string, number>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const place = { line: i + 1, column: line.length - line.trimStart().length + 1 };
    const read = tried(() => parseMultiLine(line, 'This line', names));
    if ('sentence' in read) {
      const meant = nearest(line.trim().split(/\s+/)[0] ?? '', names);
      const near = meant === undefined || read.sentence.includes(' holds ') ? '' : ` Did you mean ${meant}?`;
      findings.error(place, `${read.sentence}${near}`);
      continue;
    }
    const call = read.value;
    if (call === undefined) continue;
    const variables = hooks.variables.get(call.hook) ?? [];
    const words = tried(() =>
      refuseMistypes(call.words, { commands: [], variables, foreign: hooks.foreign }),
    );
    if ('sentence' in words) findings.error(place, words.sentence.replace(/ Nothing was changed\.$/, ''));
    const title = [call.hook, ...call.words].join(' ');
    const before = seen.get(title);
    if (before !== undefined)
      findings.warning(place, `This is the call of line ${before} again, which changes nothing.`);
    seen.set(title, place.line);
  }
  return [...findings.all];
}
