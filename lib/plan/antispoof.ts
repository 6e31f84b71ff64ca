import type { Family } from '../contract/addresses.ts';
import type { AntispoofRecord } from '../observe/uplink.ts';
import { type Command, type Step, setting } from './step.ts';

const FAMILIES: readonly Family[] = [4, 6];

/** What antispoof has to know of the host's filter. */
export interface ForwardFacts {
  /** FORWARD's policy now, by family. */
  readonly policy: Readonly<Record<Family, string>>;
  /** bridge-nf-call-iptables, -ip6tables and -arptables now, by path; none while br_netfilter is not loaded. */
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * antispoof=yes (contract 4): bridged packets go through iptables, FORWARD drops what no rule lets pass, and the card's
 * side passes. The administrator's rules stay. Our rules stand at the top, since without them the host itself would be
 * cut off where its own traffic crosses the bridge.
 * @param facts the filter now
 * @param ports the ports whose packets pass: the card, and in the classic topology the host's own
 */
export function planAntispoof(
  facts: ForwardFacts,
  ports: readonly string[],
): { readonly steps: Step[]; readonly record: AntispoofRecord } {
  const rules = ports.map((port) => `FORWARD -m physdev --physdev-is-bridged --physdev-in ${port} -j ACCEPT`);
  const steps: Step[] = [];
  if (Object.keys(facts.settings).length === 0) {
    steps.push({
      do: { tool: 'run', argv: ['modprobe', 'br_netfilter'] },
      undo: [],
      why: 'let bridged packets be filtered by iptables',
    });
  }
  for (const [path, old] of Object.entries(facts.settings)) {
    if (old !== '1')
      steps.push({
        do: setting(path, '1'),
        undo: [setting(path, old)],
        why: 'let bridged packets be filtered',
      });
  }
  for (const family of FAMILIES) {
    for (const rule of [...rules].reverse()) steps.push(insertion(family, rule));
    if (facts.policy[family] !== 'DROP') steps.push(policyStep(family, facts.policy[family], 'DROP'));
  }
  return { steps, record: { policy: facts.policy, settings: facts.settings, rules } };
}

/**
 * Takes back what antispoof=yes did; settings that somebody changed since are left alone.
 * @param record what start did
 * @param facts the filter now
 * @param lastUser no other bridge of this host needs antispoofing any more
 */
export function planAntispoofStop(record: AntispoofRecord, facts: ForwardFacts, lastUser: boolean): Step[] {
  const steps: Step[] = [];
  for (const family of FAMILIES) {
    const before = record.policy[family];
    if (lastUser && facts.policy[family] === 'DROP' && before !== 'DROP')
      steps.push(policyStep(family, 'DROP', before));
    for (const rule of record.rules) {
      const { do: undo, undo: removal } = insertion(family, rule);
      steps.push(
        ...removal.map(
          (command): Step => ({ do: command, undo: [undo], why: 'take our rule out of FORWARD' }),
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
  const policy = (family: Family) =>
    leaving.policy[family] === 'DROP' ? staying.policy[family] : leaving.policy[family];
  const settings = Object.entries(staying.settings).map(([path, value]) => [
    path,
    leaving.settings[path] === '0' ? '0' : value,
  ]);
  return {
    rules: staying.rules,
    policy: { 4: policy(4), 6: policy(6) },
    settings: Object.fromEntries(settings),
  };
}

function line(family: Family, text: string): Command {
  return { tool: family === 4 ? 'iptables' : 'ip6tables', table: 'filter', line: text };
}

function insertion(family: Family, rule: string): Step {
  return {
    do: line(family, `-I ${rule}`),
    undo: [line(family, `-D ${rule}`)],
    why: 'let the packets of the network card pass FORWARD',
  };
}

function policyStep(family: Family, from: string, to: string): Step {
  return {
    do: line(family, `:FORWARD ${to} [0:0]`),
    undo: [line(family, `:FORWARD ${from} [0:0]`)],
    why: `make ${to} the policy of FORWARD`,
  };
}
