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
 * What the ledger's file tells, which is enough for who only asks what a start of this version holds.
 * @param system the way to the file
 */
export function readLedgerFile(system: System): Ledger {
  return readJson(system, LEDGER, isLedger) ?? [];
}

/**
 * Reads who holds what.
 * @param system the way to the files
 */
export function readLedger(system: System): Ledger {
  const exists = ([path]: readonly [string, string]) => system.exists(path);
  // Devices come and go, and their settings with them.
  const own = readLedgerFile(system).map((entry) => ({
    ...entry,
    beside: Object.fromEntries(Object.entries(entry.beside).filter(exists)),
  }));
  return joined([...own, ...noted(system)]);
}

/**
 * The same, with what only records of earlier versions know of guests, and without guests that are gone without a word.
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

/** What records tell of starts, those of earlier versions, which had a memory of their own for antispoof, included. */
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

/** What is told several times is held by all who are told of; what was there before them is what no user of it made. */
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
