import { tableOf } from '../filter/forward.ts';
import { SHARED_FILE, settingPath } from '../record/paths.ts';
import {
  bridgeHolder,
  GUEST,
  guestHolder,
  type HeldSetting,
  type SharedSetting,
  type SharedSettings,
  settingKey,
  virtualHolder,
} from '../record/shared-settings.ts';
import type { System } from '../system/system.ts';
import { isRecord } from '../wire/json.ts';
import { type BridgeRecord, readBridgeRecords } from './bridge/uplink.ts';
import { readVirtualRecords } from './forward/virtual.ts';
import { deviceExists } from './host/port.ts';
import { readJson, readVifRecords } from './records.ts';

/**
 * The record of the shared settings alone, which suffices for what a start by this version holds.
 * @param system the way to the file
 */
export function readSharedFile(system: System): SharedSettings {
  return readJson(system, SHARED_FILE, isSharedSettings) ?? [];
}

/**
 * All shared settings and their holders.
 * @param system the way to the files
 */
export function readSharedSettings(system: System): SharedSettings {
  const exists = ([path]: readonly [string, string]) => system.exists(path);
  // Devices that are gone have no settings to restore.
  const own = readSharedFile(system).map((entry) => ({
    ...entry,
    beside: Object.fromEntries(Object.entries(entry.beside).filter(exists)),
  }));
  return joined([...own, ...noted(system)]);
}

/**
 * The same with guests that only records of earlier versions name, and without guests that went without an offline.
 * @param system the way to the files
 */
export function readGuestSettings(system: System): SharedSettings {
  const records = readVifRecords(system);
  const guests = [...records].flatMap(([device, { proxyNdp }]): HeldSetting[] => {
    if (proxyNdp?.before === undefined) return [];
    const path = settingPath('net/ipv6/conf/proxy_ndp', proxyNdp.device);
    const setting = { kind: 'setting', path, value: '1' } as const;
    return [{ setting, before: proxyNdp.before, beside: {}, holders: [guestHolder(device)] }];
  });
  const isThere = (holder: string) => {
    if (!holder.startsWith(GUEST)) return true;
    const device = holder.slice(GUEST.length);
    return [device, records.get(device)?.name].some(
      (name) => name !== undefined && deviceExists(system, name),
    );
  };
  return joined([...readSharedSettings(system), ...guests]).map((held) => ({
    ...held,
    holders: held.holders.filter(isThere),
  }));
}

/** The holders that bridges' records name. Earlier versions kept the state from before antispoof in these records. */
function noted(system: System): HeldSetting[] {
  const bridges = readBridgeRecords(system);
  const strict = [
    ...bridges.map(({ bridge, strict: on }) => ({ holder: bridgeHolder(bridge), on })),
    ...readVirtualRecords(system).map(({ bridge, strict: on }) => ({ holder: virtualHolder(bridge), on })),
  ].filter(({ on }) => on === true);
  const tables = strict.map(({ holder }): HeldSetting => held({ kind: 'strict' }, undefined, holder));
  return [...tables, ...bridges.flatMap(earlierAntispoof)];
}

function earlierAntispoof({ bridge, antispoof }: BridgeRecord): HeldSetting[] {
  const holder = bridgeHolder(bridge);
  const { policy, settings } = antispoof ?? {};
  if (antispoof === undefined || policy === undefined || settings === undefined) return [];
  const families = ([4, 6] as const).filter((family) => policy[family] !== undefined);
  return [
    ...Object.entries(settings).map(([path, before]) =>
      held({ kind: 'setting', path, value: '1' }, before, holder),
    ),
    ...families.flatMap((family) => [
      ...antispoof.rules.map((rule) =>
        held({ kind: 'rule', family, table: tableOf(rule), rule, place: 'top' }, undefined, holder),
      ),
      held({ kind: 'policy', family, value: 'DROP' }, policy[family], holder),
    ]),
  ];
}

const held = (setting: SharedSetting, before: string | undefined, holder: string): HeldSetting => ({
  setting,
  before,
  beside: {},
  holders: [holder],
});

/** Merges equal settings: all their holders hold one. The value from before is the one that no holder set. */
function joined(shared: SharedSettings): SharedSettings {
  const all = new Map<string, HeldSetting>();
  for (const entry of shared) {
    const key = settingKey(entry.setting);
    const known = all.get(key);
    all.set(key, known === undefined ? entry : both(known, entry));
  }
  return [...all.values()];
}

function both(one: HeldSetting, other: HeldSetting): HeldSetting {
  const made = 'value' in one.setting ? one.setting.value : undefined;
  return {
    ...one,
    before: one.before === made ? other.before : one.before,
    holders: [...new Set([...one.holders, ...other.holders])],
  };
}

function isSharedSettings(value: unknown): value is SharedSettings {
  return Array.isArray(value) && value.every(isHeld);
}

function isHeld(value: unknown): value is HeldSetting {
  return (
    isRecord(value) &&
    isRecord(value['setting']) &&
    isRecord(value['beside']) &&
    Array.isArray(value['holders'])
  );
}
