import { listed } from '../../text.ts';
import { macFault, parseMac } from './mac.ts';

/** Where a MAC address is in use. */
export interface MacUse {
  /** As it is written there. */
  readonly mac: string;
  readonly host: string;
  /** The guest's name; undefined for a card of the host itself. */
  readonly guest: string | undefined;
  readonly isRunning: boolean;
  /** In words: a place in a file, or a device. */
  readonly where: string;
  /** The file, where it is from one. */
  readonly path?: string;
}

/** What was found about addresses. */
export interface MacFinding {
  readonly isMild: boolean;
  readonly text: string;
}

/**
 * What is wrong with addresses: those that are none or unfit, and those that two cards have.
 * @param uses all that are known
 */
export function macFindings(uses: readonly MacUse[]): MacFinding[] {
  const unfit = uses.flatMap((use) => {
    // A card of the host has what its maker gave it.
    const fault = use.guest === undefined ? undefined : macFault(use.mac);
    return fault === undefined
      ? []
      : [{ isMild: fault.isMild, text: `${use.mac} of ${useText(use)} ${fault.text}.` }];
  });
  return [...unfit, ...twice(uses)];
}

function twice(uses: readonly MacUse[]): MacFinding[] {
  const byMac = new Map<string, MacUse[]>();
  for (const use of uses) {
    const mac = parseMac(use.mac);
    if (mac !== undefined) byMac.set(mac, [...(byMac.get(mac) ?? []), use]);
  }
  return [...byMac].flatMap(([mac, all]) => {
    const clashing = all.filter((use) => all.some((other) => other !== use && clash(use, other)));
    if (clashing.length === 0) return [];
    return [
      {
        isMild: false,
        text: `${mac} is in use more than once: by ${listed(clashing.map(useText))}. Give each card its own (xen-network mac).`,
      },
    ];
  });
}

/** A guest's card is in its file and runs; its file may lie on several hosts, of which it runs on one. */
function clash(one: MacUse, other: MacUse): boolean {
  if (one.guest === undefined || one.guest !== other.guest) return true;
  if (one.isRunning && other.isRunning) return one.host !== other.host || one.where !== other.where;
  return !one.isRunning && !other.isRunning && one.host === other.host && one.path === other.path;
}

/**
 * A use in words.
 * @param use one
 */
export function useText({ guest, host, isRunning, where }: MacUse): string {
  const who =
    guest === undefined
      ? `the host ${host}`
      : isRunning
        ? `the running guest ${guest}`
        : `the guest ${guest}`;
  return `${who} (${where}${guest === undefined ? '' : ` on ${host}`})`;
}
