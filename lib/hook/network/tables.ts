import { XenNetworkError } from '../../errors.ts';
import { listTable } from '../../observe/filter/nft-table.ts';
import { readJson } from '../../observe/records.ts';
import { readSharedSettings } from '../../observe/shared-settings.ts';
import { type Command, type Step, sharesRules } from '../../plan/step.ts';
import { TABLES_RECORD } from '../../record/paths.ts';
import { seal } from '../../record/sealed.ts';
import type { Family } from '../../request/addresses.ts';
import { usesNft } from '../../system/kernel/firewall.ts';
import type { System } from '../../system/system.ts';

/** The tables that iptables-nft makes for the rules of hooks. */
const TABLES: readonly (readonly [Family, string])[] = (['filter', 'nat', 'mangle', 'raw'] as const).flatMap(
  (name) => [[4, `ip ${name}`] as const, [6, `ip6 ${name}`] as const],
);

/**
 * Records which nftables tables exist before the first rule of a started hook: iptables makes the others and leaves
 * them behind.
 * @param system the way to nft
 * @param steps the steps of the run; without a rule among them nft is not run
 */
export function noteTables(system: System, steps: readonly Step[]): void {
  const hasRules = steps.some(({ do: command }) => makesRules(command));
  if (!hasRules) return;
  tried(() => {
    if (system.exists(TABLES_RECORD) || !usesNft(system, 4)) return;
    const listing = system.run(['nft', 'list', 'tables'], { isListing: true });
    if (listing.status !== 0) return;
    const found = listing.stdout.split('\n').map((line) => line.replace(/^table /, ''));
    const text = `${seal(JSON.stringify(found.filter((name) => name !== '')))}\n`;
    system.replaceFile(TABLES_RECORD, text);
  });
}

/**
 * Removes the tables that did not exist before the first start and are empty again. The record goes once nothing needs
 * it: nothing is started, or none of these tables is left and no start has rules.
 * @param system the way to nft
 */
export function dropTables(system: System): void {
  const before = tried(() => readJson(system, TABLES_RECORD, isNames));
  if (before === undefined) return;
  const made = tried(() =>
    TABLES.filter(([family, table]) => !before.includes(table) && usesNft(system, family)),
  );
  if (made === undefined) return;
  const left = made.filter(([, table]) => tried(() => dropTable(system, table)) !== true);
  const shared = tried(() => readSharedSettings(system));
  const rules = shared?.some(({ setting: { kind } }) => kind === 'rule' || kind === 'policy');
  if (shared !== undefined && (shared.length === 0 || (left.length === 0 && rules === false)))
    tried(() => system.remove(TABLES_RECORD));
}

/**
 * @returns whether the table is gone
 * @throws HostError where nft could not tell
 */
function dropTable(system: System, table: string): boolean {
  const words = table.split(' ');
  const { status, stdout } = listTable(system, table);
  if (status !== 0) return true;
  return isEmptyTable(stdout) && system.run(['nft', 'delete', 'table', ...words]).status === 0;
}

function makesRules(command: Command): boolean {
  return sharesRules(command) || command.tool === 'iptables' || command.tool === 'ip6tables';
}

/** One more empty table is no reason to fail. */
function tried<T>(change: () => T): T | undefined {
  try {
    return change();
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return undefined;
  }
}

/** Whether a table contains only the built-in chains of iptables, without rules and with the policy accept. */
function isEmptyTable(text: string): boolean {
  const lines = text
    .split('\n')
    // Only the heading is a comment. nft 0.9.8 shows rules of iptables like comments too, indented.
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== '}');
  const chains = lines.filter((line) => line.startsWith('chain ')).length;
  const bases = lines.filter((line) => /^type \S+ hook .*policy accept;$/.test(line)).length;
  return chains === bases && lines.length === 1 + chains + bases;
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}
