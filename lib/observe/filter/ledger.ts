import { tableOf } from '../../filter/forward.ts';
import { LEDGER, settingPath } from '../../record/paths.ts';
import {
  bridgeUser,
  type Claim,
  claimKey,
  GUEST,
  guestUser,
  type Held,
  type Ledger,
  virtualUser,
} from '../../record/shared-settings.ts';
import type { System } from '../../system/system.ts';
import { type BridgeRecord, readBridgeRecords } from '../bridge/uplink.ts';
import { readVirtualRecords } from '../forward/virtual.ts';
import { deviceExists } from '../host/port.ts';
import { isRecord, readJson, readVifRecords } from '../records.ts';

/**
 * The record of the shared settings alone, which suffices for what a start by this version holds.
 * @param system the way to the file
 */
export function readLedgerFile(system: System): Ledger {
  return readJson(system, LEDGER, isLedger) ?? [];
}

/**
 * All shared settings and their holders.
 * @param system the way to the files
 */
export function readLedger(system: System): Ledger {
  const exists = ([path]: readonly [string, string]) => system.exists(path);
  // Devices that are gone have no settings to restore.
  const own = readLedgerFile(system).map((entry) => ({
    ...entry,
    beside: Object.fromEntries(Object.entries(entry.beside).filter(exists)),
  }));
  return joined([...own, ...noted(system)]);
}

/**
 * The same with guests that only records of earlier versions name, and without guests that went without an offline.
 * @param system the way to the files
 */
export function readGuestLedger(system: System): Ledger {
  const records = readVifRecords(system);
  const guests = [...records].flatMap(([device, { proxyNdp }]): Held[] => {
    if (proxyNdp?.before === undefined) return [];
    const path = settingPath('net/ipv6/conf/proxy_ndp', proxyNdp.device);
    const claim = { kind: 'setting', path, value: '1' } as const;
    return [{ claim, before: proxyNdp.before, beside: {}, users: [guestUser(device)] }];
  });
  const isThere = (user: string) => {
    if (!user.startsWith(GUEST)) return true;
    const device = user.slice(GUEST.length);
    return [device, records.get(device)?.name].some(
      (name) => name !== undefined && deviceExists(system, name),
    );
  };
  return joined([...readLedger(system), ...guests]).map((held) => ({
    ...held,
    users: held.users.filter(isThere),
  }));
}

/** The holders that bridges' records name. Earlier versions kept the state from before antispoof in these records. */
function noted(system: System): Held[] {
  const bridges = readBridgeRecords(system);
  const strict = [
    ...bridges.map(({ bridge, strict: on }) => ({ user: bridgeUser(bridge), on })),
    ...readVirtualRecords(system).map(({ bridge, strict: on }) => ({ user: virtualUser(bridge), on })),
  ].filter(({ on }) => on === true);
  const tables = strict.map(({ user }): Held => held({ kind: 'strict' }, undefined, user));
  return [...tables, ...bridges.flatMap(earlierAntispoof)];
}

function earlierAntispoof({ bridge, antispoof }: BridgeRecord): Held[] {
  const user = bridgeUser(bridge);
  const { policy, settings } = antispoof ?? {};
  if (antispoof === undefined || policy === undefined || settings === undefined) return [];
  const families = ([4, 6] as const).filter((family) => policy[family] !== undefined);
  return [
    ...Object.entries(settings).map(([path, before]) =>
      held({ kind: 'setting', path, value: '1' }, before, user),
    ),
    ...families.flatMap((family) => [
      ...antispoof.rules.map((rule) =>
        held({ kind: 'rule', family, table: tableOf(rule), rule, place: 'top' }, undefined, user),
      ),
      held({ kind: 'policy', family, value: 'DROP' }, policy[family], user),
    ]),
  ];
}

const held = (claim: Claim, before: string | undefined, user: string): Held => ({
  claim,
  before,
  beside: {},
  users: [user],
});

/** Merges equal settings: all their holders hold one. The value from before is the one that no holder set. */
function joined(ledger: Ledger): Ledger {
  const all = new Map<string, Held>();
  for (const entry of ledger) {
    const key = claimKey(entry.claim);
    const known = all.get(key);
    all.set(key, known === undefined ? entry : both(known, entry));
  }
  return [...all.values()];
}

function both(one: Held, other: Held): Held {
  const made = 'value' in one.claim ? one.claim.value : undefined;
  return {
    ...one,
    before: one.before === made ? other.before : one.before,
    users: [...new Set([...one.users, ...other.users])],
  };
}

function isLedger(value: unknown): value is Ledger {
  return Array.isArray(value) && value.every(isHeld);
}

function isHeld(value: unknown): value is Held {
  return (
    isRecord(value) && isRecord(value['claim']) && isRecord(value['beside']) && Array.isArray(value['users'])
  );
}
