import { tableOf } from '../../filter/forward.ts';
import { cardUntrackRules } from '../../filter/notrack.ts';
import { BRIDGE_NF } from '../../record/paths.ts';
import type { SharedSetting } from '../../record/shared-settings.ts';
import type { Family } from '../../request/addresses.ts';

/**
 * The shared settings of antispoof=yes (docs/contract.md, "network-bridge start"): bridged packets go through iptables,
 * the policy of FORWARD is DROP, and the card's side is accepted. The administrator's rules stay. Our rules go to the
 * top, since without them the host itself would lose its network where its own packets cross the bridge.
 * @param families the host's families
 * @param rules the rules of `cardRules`
 */
export function antispoofSettings(families: readonly Family[], rules: readonly string[]): SharedSetting[] {
  return [
    ...bridgeFilterSettings(),
    ...families.flatMap((family): SharedSetting[] => [
      ...passageSettings([family], rules),
      { kind: 'policy', family, value: 'DROP' },
    ]),
  ];
}

/** The settings that send bridged packets through the filters. */
export function bridgeFilterSettings(): SharedSetting[] {
  return BRIDGE_NF.map((path) => ({ kind: 'setting', path, value: '1' }));
}

/**
 * The rules that let the card's side pass where the policy of FORWARD is DROP.
 * @param families the families with that policy
 * @param rules the rules of `cardRules`
 */
export function passageSettings(families: readonly Family[], rules: readonly string[]): SharedSetting[] {
  return families.flatMap((family) =>
    rules.map((rule): SharedSetting => ({ kind: 'rule', family, table: tableOf(rule), rule, place: 'top' })),
  );
}

/**
 * The rules that accept packets from those ports of a bridge that are no guest's.
 * @param ports the card, and in the classic topology the host's own port
 * @param untracked whether their packets through the bridge bypass connection tracking
 */
export function cardRules(ports: readonly string[], untracked = false): string[] {
  const pass = ports.map((port) => `FORWARD -m physdev --physdev-in ${port} --physdev-is-bridged -j ACCEPT`);
  return [...pass, ...(untracked ? cardUntrackRules(ports) : [])];
}
