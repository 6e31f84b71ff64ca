import { XenNetworkError } from '../../errors.ts';
import { readLedger } from '../../observe/filter/ledger.ts';
import { readJson } from '../../observe/records.ts';
import { type Command, type Step, sharesRules } from '../../plan/step.ts';
import { TABLES_RECORD } from '../../record/paths.ts';
import { seal } from '../../record/sealed.ts';
import type { Family } from '../../request/addresses.ts';
import { usesNft } from '../../system/kernel/firewall.ts';
import type { System } from '../../system/system.ts';

/** What iptables of the nft back end makes by itself for the rules of hooks. */
const TABLES: readonly (readonly [Family, string])[] = (['filter', 'nat', 'mangle', 'raw'] as const).flatMap(
  (name) => [[4, `ip ${name}`] as const, [6, `ip6 ${name}`] as const],
);

/**
 * Remembers which of nft's tables were there before the first rule of a started hook: iptables makes those that are not,
 * and leaves them behind.
 * @param system the way to nft
 * @param steps what is to be done; where no rule is among them, nothing is asked
 */
export function noteTables(system: System, steps: readonly Step[]): void {
  const hasRules = steps.some(({ do: command }) => makesRules(command));
  if (!hasRules || system.exists(TABLES_RECORD) || !usesNft(system, 4)) return;
  const listing = system.run(['nft', 'list', 'tables']);
  if (listing.status !== 0) return;
  const found = listing.stdout.split('\n').map((line) => line.replace(/^table /, ''));
  const text = `${seal(JSON.stringify(found.filter((name) => name !== '')))}\n`;
  tried(() => system.replaceFile(TABLES_RECORD, text));
}

/**
 * Takes those tables away that were not there before the first start and in which nothing is left.
 * @param system the way to nft
 */
export function dropTables(system: System): void {
  const before = readJson(system, TABLES_RECORD, isNames);
  if (before === undefined) return;
  for (const [family, table] of TABLES) {
    if (before.includes(table) || !usesNft(system, family)) continue;
    const [own = '', name = ''] = table.split(' ');
    const { status, stdout } = system.run(['nft', 'list', 'table', own, name]);
    if (status === 0 && isEmptyTable(stdout)) system.run(['nft', 'delete', 'table', own, name]);
  }
  if (readLedger(system).length === 0) tried(() => system.remove(TABLES_RECORD));
}

function makesRules(command: Command): boolean {
  return sharesRules(command) || command.tool === 'iptables' || command.tool === 'ip6tables';
}

/** An empty table more is nothing to fail for. */
function tried(change: () => void): void {
  try {
    change();
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
  }
}

/** Nothing but chains of iptables' own, without rules, that let everything pass. */
function isEmptyTable(text: string): boolean {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== '}' && !line.startsWith('#'));
  const chains = lines.filter((line) => line.startsWith('chain ')).length;
  const bases = lines.filter((line) => /^type \S+ hook .*policy accept;$/.test(line)).length;
  return chains === bases && lines.length === 1 + chains + bases;
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}
