import {
  outsideElement,
  WRAPPED_TABLES,
  wrappedDrops,
  wrappedRemoval,
  wrappedTable,
} from '../filter/wrapped.ts';
import { readLedger } from '../observe/ledger.ts';
import { readBridgeRecords } from '../observe/uplink.ts';
import type { Step } from '../plan/step.ts';
import type { System } from '../system/system.ts';

/** Steps, and what is to be said where they cannot be had. */
export interface Wrapping {
  readonly steps: readonly Step[];
  readonly warnings: readonly string[];
}

/**
 * What a bridge that is started needs so that guests send no IP that iptables does not see, and its card what it likes.
 * Each bridge has a table of its own, which an undo takes away whatever other bridges have become meanwhile.
 * @param system the way to nft and the records
 * @param bridge the bridge's name
 * @param antispoof whether it is started with antispoof=yes
 * @param card its card's name while it is a port; undefined where it has none
 */
export function startWrapped(
  system: System,
  bridge: string,
  antispoof: boolean,
  card: string | undefined,
): Wrapping {
  const there = antispoof || isHeld(system) ? tables(system) : [];
  const outside = card === undefined ? [] : [card];
  const others = there
    .filter((table) => table !== wrappedTable(bridge))
    .flatMap((table) =>
      outside.map((name) => nft(outsideElement(table, name), [], `let ${name} carry what it likes`)),
    );
  if (!antispoof || there.includes(wrappedTable(bridge))) return { steps: others, warnings: [] };
  const drops = wrappedDrops(bridge, [...new Set([...cards(system), ...outside])]);
  const refusal = refusalOf(system, drops);
  if (refusal !== undefined) return { steps: others, warnings: [unwrapped(refusal)] };
  return { steps: [nft(drops, [wrappedRemoval(bridge)], WHY), ...others], warnings: [] };
}

/**
 * Takes a bridge's table away, where it has one.
 * @param system the way to nft and the records
 * @param bridge the bridge's name
 */
export function stopWrapped(system: System, bridge: string): Step[] {
  if (!holders(system).includes(bridge) || !tables(system).includes(wrappedTable(bridge))) return [];
  const why = `let iptables alone filter what comes by ${bridge}`;
  return [nft(wrappedRemoval(bridge), [wrappedDrops(bridge, cards(system))], why)];
}

/**
 * Puts back those tables of started bridges that are not there, as after a flush of the firewall.
 * @param system the way to nft and the records
 */
export function wrappedAgain(system: System): Step[] {
  const names = holders(system);
  if (names.length === 0) return [];
  const there = tables(system);
  return names
    .filter((bridge) => !there.includes(wrappedTable(bridge)))
    .map((bridge) => wrappedDrops(bridge, cards(system)))
    .filter((drops) => refusalOf(system, drops) === undefined)
    .map((drops) => nft(drops, [], WHY));
}

const WHY = 'drop IP of guests that is wrapped in what iptables does not see';

function nft(line: string, undo: readonly string[], why: string): Step {
  return { do: { tool: 'nft', line }, undo: undo.map((text) => ({ tool: 'nft', line: text })), why };
}

/** Bridges that are started with antispoof=yes. */
function holders(system: System): string[] {
  const users = readLedger(system).flatMap((held) => (held.claim.kind === 'policy' ? held.users : []));
  return [...new Set(users.flatMap((user) => /^network-(?:bridge|virtual) (.+)$/.exec(user)?.[1] ?? []))];
}

function isHeld(system: System): boolean {
  return holders(system).length > 0;
}

/** Cards of all bridges, with antispoof=yes or without. */
function cards(system: System): string[] {
  return readBridgeRecords(system).map(({ nic }) => nic);
}

function tables(system: System): string[] {
  const lines = system.run(['nft', 'list', 'tables', 'bridge'], { isListing: true }).stdout.split('\n');
  return lines.map((line) => line.replace(/^table /, '')).filter((name) => name.startsWith(WRAPPED_TABLES));
}

/** What nft says to all of it; nothing is changed. */
function refusalOf(system: System, drops: string): string | undefined {
  const { status, stderr } = system.run(['nft', '-c', '-f', '-'], { input: `${drops}\n` });
  if (status === 0) return undefined;
  const said = /Error: ([^\n]+)/.exec(stderr)?.[1] ?? stderr.trim();
  return status === 127 || said === '' ? 'nft is not installed' : `nft says: ${said}`;
}

function unwrapped(refusal: string): string {
  return (
    `Guests can send packets past antispoof=yes that are wrapped in a second VLAN tag, in MPLS and the like, for ${refusal}. ` +
    'Install nftables, with a kernel that has its bridge family, and start the bridge again.'
  );
}
