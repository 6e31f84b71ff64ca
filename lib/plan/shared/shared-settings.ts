import type { GuestPort } from '../../filter/limited.ts';
import { wrappedDrops, wrappedRemoval } from '../../filter/wrapped.ts';
import type { Present } from '../../observe/forward/forwarding.ts';
import { BRIDGE_NF_FOLDER } from '../../record/paths.ts';
import {
  type HeldSetting,
  type SharedSetting,
  type SharedSettings,
  settingKey,
} from '../../record/shared-settings.ts';
import { planStrictStart, planStrictStop } from '../filter/strict.ts';
import { type Command, lastingStep, type Step, setting as settingCommand } from '../step.ts';

/** The state of shared settings on the host. */
export interface SharedFacts {
  /** The state of each setting that is held or wanted. */
  readonly present: Present;
  /** For a setting's path: the other settings that the kernel changes with it, and their values. */
  readonly beside: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** Whether bridged packets can be passed to iptables, because br_netfilter is loaded. */
  readonly filtersBridges: boolean;
  /** The guests of each bridge whose table under antispoof=yes must be made or completed, by the bridge's name. */
  readonly guests: ReadonlyMap<string, readonly GuestPort[]>;
}

/** The new shared settings, and the steps that make the host agree with them. */
export interface SharedChange {
  readonly steps: readonly Step[];
  /** The record while the steps are done, so that after a kill everything that was done still has a holder. */
  readonly meanwhile: SharedSettings;
  readonly shared: SharedSettings;
}

/**
 * Whether a shared setting has the wanted state.
 * @param setting the setting
 * @param now its present state
 */
export function isMet(setting: SharedSetting, now: string | undefined): boolean {
  if (setting.kind === 'wrapped') return now === 'whole';
  return 'value' in setting ? now === setting.value : now !== undefined;
}

/**
 * Makes a holder hold exactly the shared settings that it needs (docs/contract.md, "Network hooks"). What another
 * holder or the administrator has set already is left as it is. The value from before the first holder is recorded and
 * never overwritten. The last holder restores that value, unless somebody has changed the setting since.
 * @param shared all shared settings so far
 * @param facts the host
 * @param holder the holder: hook and device
 * @param sharedSettings the settings that it needs from now on, in order; empty when it stops
 */
export function share(
  shared: SharedSettings,
  facts: SharedFacts,
  holder: string,
  sharedSettings: readonly SharedSetting[],
): SharedChange {
  const kept = new Set(sharedSettings.map(settingKey));
  const left = shared.map((held) => (kept.has(settingKey(held.setting)) ? held : without(held, holder)));
  const taken = take(left.filter(isWanted), facts, holder, sharedSettings);
  const released = left.filter((held) => !isWanted(held) && !kept.has(settingKey(held.setting)));
  return {
    steps: [...giveBack(released, facts.present), ...taken.steps],
    meanwhile: [
      ...taken.shared,
      ...shared.filter(({ setting }) => released.some((held) => held.setting === setting)),
    ],
    shared: taken.shared,
  };
}

/**
 * Restores the shared settings that somebody removed, as a flush of the firewall does.
 * @param shared all shared settings
 * @param facts the host
 */
export function restore(shared: SharedSettings, facts: SharedFacts): Step[] {
  const missing = shared.filter((held) => !isMet(held.setting, facts.present.get(settingKey(held.setting))));
  return topFirst([...moduleStep(missing, facts), ...missing.flatMap((held) => takeSteps(held, facts))]);
}

const isWanted = ({ holders }: HeldSetting): boolean => holders.length > 0;

function without(held: HeldSetting, holder: string): HeldSetting {
  return { ...held, holders: held.holders.filter((other) => other !== holder) };
}

function take(
  shared: SharedSettings,
  facts: SharedFacts,
  holder: string,
  sharedSettings: readonly SharedSetting[],
): Pick<SharedChange, 'steps' | 'shared'> {
  const held = new Map(shared.map((entry) => [settingKey(entry.setting), entry]));
  const missing: HeldSetting[] = [];
  for (const wanted of sharedSettings) {
    const key = settingKey(wanted);
    const now = facts.present.get(key);
    const known = held.get(key) ?? {
      setting: wanted,
      before: now,
      beside: wanted.kind === 'setting' ? (facts.beside.get(wanted.path) ?? {}) : {},
      holders: [],
    };
    held.set(key, {
      ...known,
      holders: known.holders.includes(holder) ? known.holders : [...known.holders, holder],
    });
    if (!isMet(wanted, now)) missing.push(known);
  }
  // Each rule goes to the top, so the last one is added first.
  return {
    steps: topFirst([...moduleStep(missing, facts), ...missing.flatMap((entry) => takeSteps(entry, facts))]),
    shared: [...held.values()],
  };
}

function giveBack(released: readonly HeldSetting[], present: Present): Step[] {
  const there = released.filter(({ setting }) => {
    const now = present.get(settingKey(setting));
    // Of such a table a part may be left.
    return setting.kind === 'wrapped' ? now !== undefined : isMet(setting, now);
  });
  return topFirst(
    [...there].reverse().flatMap((held) => giveBackSteps(held, present.get(settingKey(held.setting)))),
  );
}

/** Reverses the order of the rules that go to the top of a table. */
function topFirst(steps: readonly Step[]): Step[] {
  const tops = new Map<string, Step[]>();
  for (const step of steps) tops.set(topOf(step), [step, ...(tops.get(topOf(step)) ?? [])]);
  return steps.map((step) => (topOf(step) === '' ? step : (tops.get(topOf(step))?.shift() ?? step)));
}

function topOf({ do: command }: Step): string {
  return 'table' in command && command.line.startsWith('-I ') ? `${command.tool} ${command.table}` : '';
}

/** Without the module its settings do not exist. */
function moduleStep(missing: readonly HeldSetting[], { filtersBridges }: SharedFacts): Step[] {
  const needed = missing.some(
    ({ setting }) => setting.kind === 'setting' && setting.path.startsWith(BRIDGE_NF_FOLDER),
  );
  if (filtersBridges || !needed) return [];
  return [
    lastingStep(
      { tool: 'run', argv: ['modprobe', 'br_netfilter'] },
      'let bridged packets be filtered by iptables',
    ),
  ];
}

function takeSteps({ setting }: HeldSetting, { guests }: SharedFacts): Step[] {
  const why = reason(setting);
  switch (setting.kind) {
    case 'setting':
      return [lastingStep(settingCommand(setting.path, setting.value), why)];
    case 'strict':
      return planStrictStart();
    case 'account':
      return [];
    case 'wrapped':
      return [lastingStep({ tool: 'nft', line: wrappedDrops(setting, guests.get(setting.bridge)) }, why)];
    case 'policy':
      return [lastingStep(policy(setting.family, setting.value), why)];
    case 'rule':
      return [lastingStep(ruleLine(setting, setting.place === 'top' ? '-I' : '-A'), why)];
  }
}

function giveBackSteps({ setting, before, beside }: HeldSetting, now: string | undefined): Step[] {
  const why = `take back: ${reason(setting)}`;
  switch (setting.kind) {
    case 'setting': {
      if (before === setting.value) return [];
      const all = Object.entries({ [setting.path]: before ?? '', ...beside });
      return all.map(([path, value]) => lastingStep(settingCommand(path, value), why));
    }
    case 'strict':
      // The last holder removes the table, whoever made it, unless it contains a guest or something of the
      // administrator's.
      return now === 'bare' ? [planStrictStop()] : [];
    case 'account':
      return [];
    case 'wrapped':
      return [lastingStep({ tool: 'nft', line: wrappedRemoval(setting.bridge) }, why)];
    case 'policy':
      return before === setting.value ? [] : [lastingStep(policy(setting.family, before ?? 'ACCEPT'), why)];
    case 'rule':
      return before !== undefined ? [] : [lastingStep(ruleLine(setting, '-D'), why)];
  }
}

const toolOf = ({ family }: { readonly family: 4 | 6 }) => (family === 4 ? 'iptables' : 'ip6tables');

function policy(family: 4 | 6, value: string): Command {
  return { tool: toolOf({ family }), table: 'filter', line: `:FORWARD ${value} [0:0]` };
}

/**
 * A line of iptables-restore for a shared rule.
 * @param setting the rule
 * @param verb -I adds it at the top, -A at the end, -D deletes it
 */
export function ruleLine(
  setting: SharedSetting & { readonly kind: 'rule' },
  verb: '-I' | '-A' | '-D',
): Command {
  return { tool: toolOf(setting), table: setting.table, line: `${verb} ${setting.rule}` };
}

function reason(wanted: SharedSetting): string {
  if (wanted.kind === 'setting') return `set ${wanted.path.replace(/^\/proc\/sys\//, '')} to ${wanted.value}`;
  if (wanted.kind === 'strict') return 'make the table of the strict filter';
  if (wanted.kind === 'account') return "count guests' traffic";
  if (wanted.kind === 'wrapped')
    return `drop packets of guests of ${wanted.bridge} that iptables does not see or that are forged`;
  if (wanted.kind === 'policy') return `make ${wanted.value} the policy of FORWARD`;
  return `add the rule "${wanted.rule}" to the table ${wanted.table}`;
}
