import { bridgedRule, masqueradeRule } from '../../filter/masquerade.ts';
import type { Move } from '../../filter/void-rules.ts';
import type { Present } from '../../observe/forward/forwarding.ts';
import type { NatRecord } from '../../observe/forward/nat.ts';
import type { VifRecord } from '../../observe/records.ts';
import { natRecordPath, vifRecordPath } from '../../record/paths.ts';
import { type Claim, claimKey, type Held, type Ledger } from '../../record/shared-settings.ts';
import type { Family } from '../../request/addresses.ts';
import { lastingStep, type Step } from '../step.ts';
import { remember } from '../write-record.ts';
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
 * @param ledger all shared settings before the move
 * @param move the old and the new device
 */
export function movedLedger(ledger: Ledger, move: AddressMove): Ledger {
  const exempt = move.isBridge ? exemptions(ledger, move) : [];
  return merged([...staying(ledger, move).map((held) => movedHeld(held, move)), ...exempt]);
}

/**
 * The steps that replace the rules of the old device, and the shared settings for the new one. Kernel settings move
 * together with the addresses, in other steps.
 * @param ledger all shared settings before the move
 * @param moved what `movedLedger` makes of them
 * @param present the state of all settings on the host, those after the move included
 * @param move the old and the new device
 */
export function follow(ledger: Ledger, moved: Ledger, present: Present, move: AddressMove): SharedChange {
  const known = new Set(ledger.map(({ claim }) => claimKey(claim)));
  const stays = staying(ledger, move);
  const isThere = ({ claim }: Held) => present.get(claimKey(claim)) !== undefined;
  const exempt = move.isBridge ? exemptions(ledger, move) : [];
  const needless = ledger.filter((held) => !stays.includes(held) && held.before === undefined);
  return {
    steps: [
      ...stays.filter(isThere).flatMap((held) => swap(held, movedHeld(held, move), isThere)),
      // These must end up above the rules for the bridge itself.
      ...exempt.flatMap((held) => swap(undefined, held, isThere)),
      ...needless.filter(isThere).flatMap((held) => swap(held, undefined, isThere)),
    ],
    meanwhile: [...ledger, ...moved.filter(({ claim }) => !known.has(claimKey(claim)))],
    ledger: moved,
  };
}

/** The settings that are needed whether or not the device is a bridge. */
function staying(ledger: Ledger, { from, isBridge }: AddressMove): Held[] {
  return ledger.filter(({ claim }) => isBridge || !isExemption(claim, from));
}

/** The exemptions that everybody who masquerades packets leaving the device needs once it is a bridge. */
function exemptions(ledger: Ledger, { from, to }: Move): Held[] {
  return ledger.flatMap((held): Held[] => {
    const { claim } = held;
    const isMasquerade =
      claim.kind === 'rule' && claim.table === 'nat' && claim.rule === masqueradeRule(from);
    if (!isMasquerade || ledger.some((other) => isExemption(other.claim, from, claim.family))) return [];
    const rule: Claim = { ...claim, rule: bridgedRule(to), place: 'top' };
    const users = held.users.map((user) => movedUser(user, { from, to }));
    return [{ claim: rule, before: undefined, beside: {}, users }];
  });
}

function isExemption(claim: Claim, device: string, family?: Family): boolean {
  return (
    claim.kind === 'rule' &&
    claim.rule === bridgedRule(device) &&
    (family === undefined || claim.family === family)
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
    const laid = saved.laid?.map((item) =>
      item.kind === 'proxy' && item.device === from ? { ...item, device: to } : item,
    );
    const proxyNdp = saved.proxyNdp?.device === from ? { ...saved.proxyNdp, device: to } : saved.proxyNdp;
    const moved = {
      ...saved,
      ...(laid === undefined ? {} : { laid }),
      ...(proxyNdp === undefined ? {} : { proxyNdp }),
    };
    return remember(vifRecordPath(device), saved, moved, `which device answers for ${device}`);
  });
}

function renamedNat(nats: readonly NatRecord[], move: Move): Step[] {
  const nat = nats.find(({ netdev }) => netdev === move.from);
  if (nat === undefined || move.from === move.to) return [];
  return [
    ...remember(
      natRecordPath(move.to),
      undefined,
      { ...nat, netdev: move.to },
      `what network-nat did on ${move.to}`,
    ),
    ...remember(natRecordPath(move.from), nat, undefined, `what network-nat did on ${move.from}`),
  ];
}

/** Replaces one rule by another; either may be undefined. */
function swap(from: Held | undefined, to: Held | undefined, isThere: (held: Held) => boolean): Step[] {
  const [old, fresh] = [from?.claim, to?.claim];
  if (old !== undefined && fresh !== undefined && claimKey(old) === claimKey(fresh)) return [];
  return [
    ...(fresh?.kind === 'rule' && to !== undefined && !isThere(to)
      ? [lastingStep(ruleLine(fresh, fresh.place === 'top' ? '-I' : '-A'), `add the rule "${fresh.rule}"`)]
      : []),
    ...(old?.kind === 'rule' ? [lastingStep(ruleLine(old, '-D'), `delete the rule "${old.rule}"`)] : []),
  ];
}

function movedHeld(held: Held, move: Move): Held {
  const users = held.users.map((user) => movedUser(user, move));
  return { ...held, claim: movedClaim(held.claim, move.from, move.to), users };
}

function movedUser(user: string, { from, to }: Move): string {
  const [, hook, device] = BY_DEVICE.exec(user) ?? [];
  return device === from ? `${hook} ${to}` : user;
}

function movedClaim(claim: Claim, from: string, to: string): Claim {
  if (claim.kind === 'setting') {
    const parts = claim.path.split('/');
    return {
      ...claim,
      path: parts.map((part, i) => (i === parts.length - 2 && part === from ? to : part)).join('/'),
    };
  }
  if (claim.kind !== 'rule') return claim;
  const words = claim.rule.split(' ');
  const isDevice = (i: number) => words[i] === from && /^-[io]$/.test(words[i - 1] ?? '');
  return { ...claim, rule: words.map((word, i) => (isDevice(i) ? to : word)).join(' ') };
}

/** Settings that both devices had become one setting with the holders of both. */
function merged(ledger: Ledger): Ledger {
  const all = new Map<string, Held>();
  for (const held of ledger) {
    const key = claimKey(held.claim);
    const known = all.get(key);
    all.set(
      key,
      known === undefined ? held : { ...known, users: [...new Set([...known.users, ...held.users])] },
    );
  }
  return [...all.values()];
}
