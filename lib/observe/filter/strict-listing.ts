import { CUSTOM_CHAIN, STRICT_TABLE } from '../../filter/strict-rules.ts';
import type { System } from '../../system/system.ts';

/** What is in the strict filter's table, as nft lists it. */
export interface StrictListing {
  /** The rules of each chain, and of base chains the line that says where they hang; the administrator's own left out. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** The elements of sets and maps by the port that they are keyed by, as `nft delete element` takes them. */
  readonly elements: ReadonlyMap<string, readonly string[]>;
  /** What the map of all guests says is done with a port's frames: "jump guest". */
  readonly verdicts: ReadonlyMap<string, string>;
}

/**
 * Lists the strict filter's table.
 * @param system the way to nft
 * @returns undefined where there is none
 */
export function listStrictTable(system: System): StrictListing | undefined {
  const listing = system.run(['nft', 'list', 'table', ...STRICT_TABLE.split(' ')], { isListing: true });
  if (listing.status !== 0) return undefined;
  const chains = new Map<string, string[]>();
  const elements = new Map<string, string[]>();
  const verdicts = new Map<string, string>();
  for (const [, kind, name = '', body = ''] of listing.stdout.matchAll(
    /^\t(\w+) (\S+) \{\n([\s\S]*?)^\t\}/gm,
  )) {
    const lines = body.split('\n').map((line) => line.trim());
    if (kind === 'chain') {
      if (name !== CUSTOM_CHAIN) chains.set(name, lines.filter(Boolean));
      continue;
    }
    const [, inside = ''] = /elements = \{([\s\S]*)\}/.exec(body) ?? [];
    for (const [, port = '', rest = ''] of inside.matchAll(/"([^"]+)"((?: \. [^\s,]+)*)/g)) {
      const found = elements.get(port) ?? [];
      elements.set(port, [...found, `${name} { "${port}"${rest} }`]);
    }
    for (const [, port = '', verdict = ''] of inside.matchAll(/"([^"]+)" : (\w+ [\w-]+)/g))
      verdicts.set(port, verdict);
  }
  return { chains, elements, verdicts };
}

/** What of a guest was dropped. */
export interface Drops {
  readonly packets: number;
  readonly bytes: number;
}

/**
 * What was dropped of each guest under the strict filter, by its port's name.
 * @param system the way to nft
 */
export function readDrops(system: System): ReadonlyMap<string, Drops> {
  const listing = system.run(['nft', 'list', 'set', ...STRICT_TABLE.split(' '), 'refused'], {
    isListing: true,
  });
  return new Map(
    [...listing.stdout.matchAll(/"([^"]+)" counter packets (\d+) bytes (\d+)/g)].map(
      ([, port = '', packets, bytes]) => [port, { packets: Number(packets), bytes: Number(bytes) }] as const,
    ),
  );
}
