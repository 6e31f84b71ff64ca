import type { Family } from '../contract/addresses.ts';
import { BRIDGE_NF } from '../contract/paths.ts';
import { tableOf } from '../filter/forward.ts';
import { cardUntrackRules } from '../filter/notrack.ts';
import type { ForwardFacts } from '../observe/rules.ts';
import type { AntispoofRecord } from '../observe/uplink.ts';
import { type Command, type Step, setting } from './step.ts';

const FAMILIES: readonly Family[] = [4, 6];

/**
 * antispoof=yes (contract 4): bridged packets go through iptables, FORWARD drops what no rule lets pass, and the card's
 * side passes. The administrator's rules stay. Our rules stand at the top, since without them the host itself would be
 * cut off where its own traffic crosses the bridge.
 * @param facts the filter now
 * @param ports the ports whose packets pass: the card, and in the classic topology the host's own
 * @param untracked what they carry past the host stays out of connection tracking
 */
export function planAntispoof(
  facts: ForwardFacts,
  ports: readonly string[],
  untracked = false,
): { readonly steps: Step[]; readonly record: AntispoofRecord } {
  const rules = [...passRules(ports), ...(untracked ? cardUntrackRules(ports) : [])];
  const steps: Step[] = [];
  const loaded = Object.keys(facts.settings).length > 0;
  if (!loaded) {
    steps.push({
      do: { tool: 'run', argv: ['modprobe', 'br_netfilter'] },
      undo: [],
      why: 'let bridged packets be filtered by iptables',
    });
  }
  // Without the module nothing was filtered, which with it is the value 0.
  const settings = loaded ? facts.settings : Object.fromEntries(BRIDGE_NF.map((path) => [path, '0']));
  for (const [path, old] of Object.entries(settings)) {
    if (old !== '1')
      steps.push({
        do: setting(path, '1'),
        undo: [setting(path, old)],
        why: 'let bridged packets be filtered',
      });
  }
  for (const family of FAMILIES) {
    const policy = facts.policy[family];
    if (policy === undefined) continue;
    for (const rule of [...rules].reverse()) steps.push(insertion(family, rule));
    if (policy !== 'DROP') steps.push(policyStep(family, policy, 'DROP'));
  }
  return { steps, record: { policy: facts.policy, settings, rules } };
}

/**
 * Lets the card's side pass a FORWARD that somebody else makes drop what no rule lets pass; that is left as it is.
 * @param families those in which it does
 * @param ports the ports whose packets pass
 */
export function planPassage(
  families: readonly Family[],
  ports: readonly string[],
): { readonly steps: Step[]; readonly record: AntispoofRecord } {
  const rules = passRules(ports);
  const steps = families.flatMap((family) => [...rules].reverse().map((rule) => insertion(family, rule)));
  return { steps, record: { policy: {}, settings: {}, rules } };
}

function passRules(ports: readonly string[]): string[] {
  return ports.map((port) => `FORWARD -m physdev --physdev-in ${port} --physdev-is-bridged -j ACCEPT`);
}

/**
 * Takes back what antispoof=yes did; settings that somebody changed since are left alone, and so are rules that are
 * gone.
 * @param record what start did
 * @param facts the filter now
 * @param lastUser no other bridge of this host needs antispoofing any more
 */
export function planAntispoofStop(record: AntispoofRecord, facts: ForwardFacts, lastUser: boolean): Step[] {
  const steps: Step[] = [];
  for (const family of FAMILIES) {
    const before = record.policy[family];
    if (lastUser && facts.policy[family] === 'DROP' && before !== undefined && before !== 'DROP')
      steps.push(policyStep(family, 'DROP', before));
    for (const rule of record.rules) {
      if (!facts.rules[family]?.includes(rule)) continue;
      const { do: undo, undo: removal } = insertion(family, rule);
      steps.push(
        ...removal.map(
          (command): Step => ({
            do: command,
            undo: [undo],
            why: `take our rule out of ${rule.slice(0, rule.indexOf(' '))}`,
          }),
        ),
      );
    }
  }
  for (const [path, before] of Object.entries(record.settings)) {
    const now = facts.settings[path];
    if (lastUser && now === '1' && before !== '1') {
      steps.push({
        do: setting(path, before),
        undo: [setting(path, now)],
        why: 'treat bridged packets as before',
      });
    }
  }
  return steps;
}

/**
 * The record of another bridge that goes on needing antispoofing, once this one stops: it has to know what the host
 * was like before either.
 * @param staying the other bridge's record
 * @param leaving this bridge's record
 */
export function inherit(staying: AntispoofRecord, leaving: AntispoofRecord): AntispoofRecord {
  const policy = Object.fromEntries(
    FAMILIES.map((family) => {
      const before = leaving.policy[family];
      return [family, before === undefined || before === 'DROP' ? staying.policy[family] : before];
    }).filter(([, before]) => before !== undefined),
  );
  const settings = Object.entries(staying.settings).map(([path, value]) => [
    path,
    leaving.settings[path] === '0' ? '0' : value,
  ]);
  return { policy, settings: Object.fromEntries(settings), rules: staying.rules };
}

function line(family: Family, text: string, table = 'filter'): Command {
  return { tool: family === 4 ? 'iptables' : 'ip6tables', table, line: text };
}

function insertion(family: Family, rule: string): Step {
  const table = tableOf(rule);
  return {
    do: line(family, `-I ${rule}`, table),
    undo: [line(family, `-D ${rule}`, table)],
    why:
      table === 'raw'
        ? 'keep the packets of the network card for guests out of connection tracking'
        : 'let the packets of the network card pass FORWARD',
  };
}

function policyStep(family: Family, from: string, to: string): Step {
  return {
    do: line(family, `:FORWARD ${to} [0:0]`),
    undo: [line(family, `:FORWARD ${from} [0:0]`)],
    why: `make ${to} the policy of FORWARD`,
  };
}
