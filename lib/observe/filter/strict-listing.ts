import { CUSTOM_CHAIN, STRICT_TABLE } from '../../filter/strict-rules.ts';
import type { System } from '../../system/system.ts';

/** The content of the strict table, as nft lists it. */
export interface StrictListing {
  /** The rules of each chain, and for base chains the line with their hook; without the administrator's own chain. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** The elements of sets and maps, by the port in their key, in the form that `nft delete element` takes. */
  readonly elements: ReadonlyMap<string, readonly string[]>;
  /** The verdict for each port's frames, from the map of all guests: "jump guest". */
  readonly verdicts: ReadonlyMap<string, string>;
}

/**
 * Lists the strict table.
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

/** How many packets of a guest were dropped. */
export interface Drops {
  readonly packets: number;
  readonly bytes: number;
}

/**
 * How many packets of each guest the strict filter dropped, by the port's name.
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
