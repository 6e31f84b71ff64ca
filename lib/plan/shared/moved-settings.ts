import { bridgedRule, masqueradeRule } from '../../filter/masquerade.ts';
import type { Move } from '../../filter/void-rules.ts';
import type { Present } from '../../observe/forward/forwarding.ts';
import type { NatRecord } from '../../observe/forward/nat.ts';
import type { VifRecord } from '../../observe/records.ts';
import { natRecordPath, vifRecordPath } from '../../record/paths.ts';
import {
  type HeldSetting,
  type SharedSetting,
  type SharedSettings,
  settingKey,
} from '../../record/shared-settings.ts';
import type { Family } from '../../request/addresses.ts';
import { lastingStep, type Step } from '../step.ts';
import { writeRecord } from '../write-record.ts';
import { ruleLine, type SharedChange } from './shared-settings.ts';

/** Holders that name the outgoing device. */
export const BY_DEVICE = /^(network-nat|network-route) (.+)$/;

/** A move of addresses, and which of the two devices is a bridge. */
export interface AddressMove extends Move {
  readonly wasBridge: boolean;
  readonly isBridge: boolean;
}

/**
 * The steps by which the shared settings of started hooks move from one device to the device that takes its addresses.
 * @param nats the records of network-nat
 * @param move the old and the new device
 */
export function followSteps(nats: readonly NatRecord[], move: AddressMove): Step[] {
  const { from, to, wasBridge, isBridge } = move;
  if (from === to && wasBridge === isBridge) return [];
  const back = { from: to, to: from, wasBridge: isBridge, isBridge: wasBridge };
  return [
    {
      do: { tool: 'follow', ...move },
      undo: [{ tool: 'follow', ...back }],
      why: `move what other hooks hold for ${from} to ${to}`,
    },
    ...renamedNat(nats, move),
  ];
}

/**
 * The shared settings after the move. Where the new device is a bridge, a rule exempts packets that only cross it from
 * masquerading; where it is no bridge, no such packets exist and the rule goes.
 * @param shared all shared settings before the move
 * @param move the old and the new device
 */
export function movedSettings(shared: SharedSettings, move: AddressMove): SharedSettings {
  const exempt = move.isBridge ? exemptions(shared, move) : [];
  return merged([...staying(shared, move).map((held) => movedHeldSetting(held, move)), ...exempt]);
}

/**
 * The steps that replace the rules of the old device, and the shared settings for the new one. Kernel settings move
 * together with the addresses, in other steps.
 * @param shared all shared settings before the move
 * @param moved what `movedSettings` makes of them
 * @param present the state of all settings on the host, those after the move included
 * @param move the old and the new device
 */
export function follow(
  shared: SharedSettings,
  moved: SharedSettings,
  present: Present,
  move: AddressMove,
): SharedChange {
  const known = new Set(shared.map(({ setting }) => settingKey(setting)));
  const stays = staying(shared, move);
  const isThere = ({ setting }: HeldSetting) => present.get(settingKey(setting)) !== undefined;
  const exempt = move.isBridge ? exemptions(shared, move) : [];
  const needless = shared.filter((held) => !stays.includes(held) && held.before === undefined);
  return {
    steps: [
      ...stays.filter(isThere).flatMap((held) => swap(held, movedHeldSetting(held, move), isThere)),
      // These must end up above the rules for the bridge itself.
      ...exempt.flatMap((held) => swap(undefined, held, isThere)),
      ...needless.filter(isThere).flatMap((held) => swap(held, undefined, isThere)),
    ],
    meanwhile: [...shared, ...moved.filter(({ setting }) => !known.has(settingKey(setting)))],
    shared: moved,
  };
}

/** The settings that are needed whether or not the device is a bridge. */
function staying(shared: SharedSettings, { from, isBridge }: AddressMove): HeldSetting[] {
  return shared.filter(({ setting }) => isBridge || !isExemption(setting, from));
}

/** The exemptions that everybody who masquerades packets leaving the device needs once it is a bridge. */
function exemptions(shared: SharedSettings, { from, to }: Move): HeldSetting[] {
  return shared.flatMap((held): HeldSetting[] => {
    const { setting } = held;
    const isMasquerade =
      setting.kind === 'rule' && setting.table === 'nat' && setting.rule === masqueradeRule(from);
    if (!isMasquerade || shared.some((other) => isExemption(other.setting, from, setting.family))) return [];
    const rule: SharedSetting = { ...setting, rule: bridgedRule(to), place: 'top' };
    const holders = held.holders.map((holder) => movedHolder(holder, { from, to }));
    return [{ setting: rule, before: undefined, beside: {}, holders }];
  });
}

function isExemption(setting: SharedSetting, device: string, family?: Family): boolean {
  return (
    setting.kind === 'rule' &&
    setting.rule === bridgedRule(device) &&
    (family === undefined || setting.family === family)
  );
}

/**
 * The steps that change guests' records: another device now answers for the guests' addresses.
 * @param records the records, by the kernel's name of each guest's device
 * @param move the old and the new device
 */
export function followRecords(records: ReadonlyMap<string, VifRecord>, { from, to }: Move): Step[] {
  if (from === to) return [];
  return [...records].flatMap(([device, saved]) => {
    const assigned = saved.assigned?.map((item) =>
      item.kind === 'proxy' && item.device === from ? { ...item, device: to } : item,
    );
    const proxyNdp = saved.proxyNdp?.device === from ? { ...saved.proxyNdp, device: to } : saved.proxyNdp;
    const moved = {
      ...saved,
      ...(assigned === undefined ? {} : { assigned }),
      ...(proxyNdp === undefined ? {} : { proxyNdp }),
    };
    return writeRecord(vifRecordPath(device), saved, moved, `which device answers for ${device}`);
  });
}

function renamedNat(nats: readonly NatRecord[], move: Move): Step[] {
  const nat = nats.find(({ netdev }) => netdev === move.from);
  if (nat === undefined || move.from === move.to) return [];
  return [
    ...writeRecord(
      natRecordPath(move.to),
      undefined,
      { ...nat, netdev: move.to },
      `what network-nat did on ${move.to}`,
    ),
    ...writeRecord(natRecordPath(move.from), nat, undefined, `what network-nat did on ${move.from}`),
  ];
}

/** Replaces one rule by another; either may be undefined. */
function swap(
  from: HeldSetting | undefined,
  to: HeldSetting | undefined,
  isThere: (held: HeldSetting) => boolean,
): Step[] {
  const [old, fresh] = [from?.setting, to?.setting];
  if (old !== undefined && fresh !== undefined && settingKey(old) === settingKey(fresh)) return [];
  return [
    ...(fresh?.kind === 'rule' && to !== undefined && !isThere(to)
      ? [lastingStep(ruleLine(fresh, fresh.place === 'top' ? '-I' : '-A'), `add the rule "${fresh.rule}"`)]
      : []),
    ...(old?.kind === 'rule' ? [lastingStep(ruleLine(old, '-D'), `delete the rule "${old.rule}"`)] : []),
  ];
}

function movedHeldSetting(held: HeldSetting, move: Move): HeldSetting {
  const holders = held.holders.map((holder) => movedHolder(holder, move));
  return { ...held, setting: movedSetting(held.setting, move.from, move.to), holders };
}

function movedHolder(holder: string, { from, to }: Move): string {
  const [, hook, device] = BY_DEVICE.exec(holder) ?? [];
  return device === from ? `${hook} ${to}` : holder;
}

function movedSetting(setting: SharedSetting, from: string, to: string): SharedSetting {
  if (setting.kind === 'setting') {
    const parts = setting.path.split('/');
    return {
      ...setting,
      path: parts.map((part, i) => (i === parts.length - 2 && part === from ? to : part)).join('/'),
    };
  }
  if (setting.kind !== 'rule') return setting;
  const words = setting.rule.split(' ');
  const isDevice = (i: number) => words[i] === from && /^-[io]$/.test(words[i - 1] ?? '');
  return { ...setting, rule: words.map((word, i) => (isDevice(i) ? to : word)).join(' ') };
}

/** Settings that both devices had become one setting with the holders of both. */
function merged(shared: SharedSettings): SharedSettings {
  const all = new Map<string, HeldSetting>();
  for (const held of shared) {
    const key = settingKey(held.setting);
    const known = all.get(key);
    all.set(
      key,
      known === undefined ? held : { ...known, holders: [...new Set([...known.holders, ...held.holders])] },
    );
  }
  return [...all.values()];
}
