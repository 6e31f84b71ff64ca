import type { RunResult } from '../../system/processes/exec.ts';
import type { System } from '../../system/system.ts';

/**
 * Lists a table of nft (nft(8), "list table").
 * @param system the way to nft
 * @param table its family and name: "bridge xen_network"
 * @returns what came of it; another status than 0 where there is no such table, or no nft
 * @throws HostError where nft could not tell
 */
export function listTable(system: Pick<System, 'run'>, table: string): RunResult {
  return system.run(['nft', 'list', 'table', ...table.split(' ')], { isListing: true });
}
