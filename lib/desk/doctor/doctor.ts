import type { GuestCard } from '../../observe/desk/facts.ts';
import type { HostMap } from '../map/map.ts';
import { type Complaint, complaint } from './complaint.ts';
import type { DoctorFacts } from './facts.ts';
import { FIREWALL_RULES } from './firewall.ts';
import { GUEST_RULES } from './guests.ts';
import { HOST_RULES } from './host.ts';
import { LEFT_RULES } from './left.ts';
import { NETWORK_RULES } from './networks.ts';
import { ROUTED_RULES } from './routed.ts';
import { SCRIPT_RULES } from './scripts.ts';

const RULES = [
  ...NETWORK_RULES,
  ...ROUTED_RULES,
  ...GUEST_RULES,
  ...FIREWALL_RULES,
  ...SCRIPT_RULES,
  ...LEFT_RULES,
  ...HOST_RULES,
];
const RANKS: readonly Complaint['level'][] = ['error', 'warning', 'note'];

/**
 * Looks for what is wrong with a host's networks and guests.
 * @param facts what is so on the host
 * @param map the map that is drawn from them
 * @returns errors first, notes last
 */
export function diagnose(facts: DoctorFacts, { networks, warnings }: HostMap): Complaint[] {
  const found = [
    ...warnings.map((text) => complaint('host', 'error', text)),
    ...RULES.flatMap((rule) => rule(facts, networks)),
  ];
  return found.sort((a, b) => RANKS.indexOf(a.level) - RANKS.indexOf(b.level));
}

/**
 * Whether a card is that of a guest, or is meant itself.
 * @param card the card
 * @param word the guest's name or domain, or a device's name
 */
export function isMeant({ guest, domid, devid, devices }: GuestCard, word: string): boolean {
  const names = devices.flatMap(({ device, name }) => [device, name]);
  return [guest, `${domid}`, `vif${domid}.${devid}`, ...names].includes(word);
}
