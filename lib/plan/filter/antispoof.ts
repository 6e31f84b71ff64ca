import { tableOf } from '../../filter/forward.ts';
import { cardUntrackRules } from '../../filter/notrack.ts';
import { BRIDGE_NF } from '../../record/paths.ts';
import type { Claim } from '../../record/shared-settings.ts';
import type { Family } from '../../request/addresses.ts';

/**
 * What antispoof=yes needs of the host (docs/contract.md, "network-bridge start"): bridged packets go through iptables,
 * FORWARD drops what no rule lets pass, and the card's side passes. The administrator's rules stay. Our rules stand at
 * the top, since without them the host itself would be cut off where its own traffic crosses the bridge.
 * @param families those of the host
 * @param rules what `cardRules` gives
 */
export function antispoofClaims(families: readonly Family[], rules: readonly string[]): Claim[] {
  return [
    ...bridgeFilterClaims(),
    ...families.flatMap((family): Claim[] => [
      ...passageClaims([family], rules),
      { kind: 'policy', family, value: 'DROP' },
    ]),
  ];
}

/** The settings that let bridged packets be filtered. */
export function bridgeFilterClaims(): Claim[] {
  return BRIDGE_NF.map((path) => ({ kind: 'setting', path, value: '1' }));
}

/**
 * What lets the card's side pass a FORWARD that drops what no rule lets pass.
 * @param families those in which it does
 * @param rules what `cardRules` gives
 */
export function passageClaims(families: readonly Family[], rules: readonly string[]): Claim[] {
  return families.flatMap((family) =>
    rules.map((rule): Claim => ({ kind: 'rule', family, table: tableOf(rule), rule, place: 'top' })),
  );
}

/**
 * The rules by which a bridge's ports pass that are no guest's.
 * @param ports the card, and in the classic topology the host's own
 * @param untracked what they carry past the host stays out of connection tracking
 */
export function cardRules(ports: readonly string[], untracked = false): string[] {
  const pass = ports.map((port) => `FORWARD -m physdev --physdev-in ${port} --physdev-is-bridged -j ACCEPT`);
  return [...pass, ...(untracked ? cardUntrackRules(ports) : [])];
}
