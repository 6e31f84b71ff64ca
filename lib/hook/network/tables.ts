import { XenNetworkError } from '../../errors.ts';
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
  if (!hasRules || system.exists(TABLES_RECORD) || !usesNft(system, 4)) return;
  const listing = system.run(['nft', 'list', 'tables']);
  if (listing.status !== 0) return;
  const found = listing.stdout.split('\n').map((line) => line.replace(/^table /, ''));
  const text = `${seal(JSON.stringify(found.filter((name) => name !== '')))}\n`;
  tried(() => system.replaceFile(TABLES_RECORD, text));
}

/**
 * Removes the tables that did not exist before the first start and are empty again.
 * @param system the way to nft
 */
export function dropTables(system: System): void {
  const before = tried(() => readJson(system, TABLES_RECORD, isNames));
  if (before === undefined) return;
  for (const [family, table] of TABLES) {
    if (before.includes(table) || !usesNft(system, family)) continue;
    const [own = '', name = ''] = table.split(' ');
    const { status, stdout } = system.run(['nft', 'list', 'table', own, name]);
    if (status === 0 && isEmptyTable(stdout)) system.run(['nft', 'delete', 'table', own, name]);
  }
  const held = tried(() => readSharedSettings(system));
  if (held?.length === 0) tried(() => system.remove(TABLES_RECORD));
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
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== '}' && !line.startsWith('#'));
  const chains = lines.filter((line) => line.startsWith('chain ')).length;
  const bases = lines.filter((line) => /^type \S+ hook .*policy accept;$/.test(line)).length;
  return chains === bases && lines.length === 1 + chains + bases;
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}
