import { listed } from '../../text.ts';
import { macFault, parseMac } from './mac.ts';

/** One use of a MAC address. */
export interface MacUse {
  /** The address as it is written there. */
  readonly mac: string;
  readonly host: string;
  /** The guest's name; undefined for a card of the host itself. */
  readonly guest: string | undefined;
  readonly isRunning: boolean;
  /** The position in a file, or the device, in words. */
  readonly where: string;
  /** The file's path, where the use is in a file. */
  readonly path?: string;
}

/** A fault in MAC addresses. */
export interface MacFinding {
  readonly isMild: boolean;
  readonly text: string;
}

/**
 * Finds malformed and unsuitable addresses, and those that two cards have.
 * @param uses all known uses
 */
export function macFindings(uses: readonly MacUse[]): MacFinding[] {
  const unfit = uses.flatMap((use) => {
    // The maker of a host's card has chosen its address.
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

/**
 * Whether two uses are a conflict. A guest may be in its file and running at the same time; its file may be on several
 * hosts, on one of which it runs.
 */
function clash(one: MacUse, other: MacUse): boolean {
  if (one.guest === undefined || one.guest !== other.guest) return true;
  if (one.isRunning && other.isRunning) return one.host !== other.host || one.where !== other.where;
  return !one.isRunning && !other.isRunning && one.host === other.host && one.path === other.path;
}

/**
 * A use of an address in words.
 * @param use the use
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
