import { XenNetworkError } from '../errors.ts';
import { readGuestLedger, readLedgerFile } from '../observe/filter/ledger.ts';
import { filtersBridges, readBeside, readPresent } from '../observe/forward/forwarding.ts';
import { follow, movedLedger } from '../plan/shared/moved-settings.ts';
import { type SharedChange, type SharedFacts, share } from '../plan/shared/shared-settings.ts';
import type { Command, Step } from '../plan/step.ts';
import { remember } from '../plan/write-record.ts';
import { IP_FORWARD, IP6_FORWARD, LEDGER } from '../record/paths.ts';
import type { Claim, Ledger } from '../record/shared-settings.ts';
import type { System } from '../system/system.ts';
import { batches, type Outcome } from './execute.ts';

/** A command on what the whole host shares. */
export type SharedCommand = Command & { readonly tool: 'share' | 'follow' };

/**
 * What a command on what the host shares comes to, as host and ledger are now; the ledger's lock must be held where it is
 * to be carried out.
 * @param system the way to the host
 * @param command what is to be held, or followed
 */
export function sharedChange(
  system: System,
  command: SharedCommand,
): SharedChange & { readonly before: Ledger } {
  const before = readLedgerFile(system);
  const ledger = readGuestLedger(system);
  if (command.tool === 'share') {
    const facts = sharedFacts(system, ledger, command.claims);
    return { ...share(ledger, facts, command.user, command.claims), before };
  }
  const after = movedLedger(ledger, command);
  const present = readPresent(
    system,
    [...ledger, ...after].map(({ claim }) => claim),
  );
  return { ...follow(ledger, present, command), before };
}

/**
 * What the host has of what is shared.
 * @param system the way to the host
 * @param ledger who holds what
 * @param claims what is wanted
 */
export function sharedFacts(system: System, ledger: Ledger, claims: readonly Claim[]): SharedFacts {
  const forwards = claims.some((claim) => claim.kind === 'setting' && FORWARDING.includes(claim.path));
  return {
    present: readPresent(system, [...ledger.map(({ claim }) => claim), ...claims]),
    beside: forwards ? readBeside(system) : new Map(),
    filtersBridges: filtersBridges(system),
  };
}

/** With these the kernel changes others. */
const FORWARDING = [IP_FORWARD, IP6_FORWARD];

/** Runs commands of one kind, with the lock that these need. */
export type Execute = (tool: Command['tool'], commands: readonly Command[]) => Promise<Outcome>;

/**
 * Carries out commands on what the host shares. What is held is written down before it is done, and what is let go after:
 * whoever comes after a kill finds in the ledger all that may be left.
 * @param system the way to the host; the ledger's lock must be held
 * @param commands each of tool 'share' or 'follow'
 * @param run how the steps are carried out
 * @param force go on after a failure
 */
export async function runShared(
  system: System,
  commands: readonly Command[],
  run: Execute,
  force: boolean,
): Promise<Outcome> {
  const errors: string[] = [];
  for (const [done, command] of commands.entries()) {
    if (command.tool !== 'share' && command.tool !== 'follow') continue;
    const failed = await runOne(system, command, run, force);
    errors.push(...failed);
    if (failed.length > 0 && !force) return { done, exact: false, error: failed.join('; ') };
  }
  return { done: commands.length, exact: true, ...(errors.length === 0 ? {} : { error: errors.join('; ') }) };
}

/** @returns what went wrong */
async function runOne(
  system: System,
  command: SharedCommand,
  run: Execute,
  force: boolean,
): Promise<string[]> {
  try {
    const { before, steps, meanwhile, ledger } = sharedChange(system, command);
    const changes = steps.length > 0;
    const failed = await carryOut(changes ? [...noteSteps(before, meanwhile), ...steps] : [], run, force);
    // What could not be let go of is held still, for the next one who tries.
    if (failed.length > 0) return failed;
    return await carryOut(noteSteps(changes ? meanwhile : before, ledger), run, force);
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return [thrown.message.replace(/\.$/, '')];
  }
}

/** @returns what went wrong; without force only the first, at which it ends */
async function carryOut(steps: readonly Step[], run: Execute, force: boolean): Promise<string[]> {
  const errors: string[] = [];
  for (const { tool, items } of batches(steps, (step) => step.do)) {
    const { error } = await run(
      tool,
      items.map((step) => step.do),
    );
    if (error === undefined) continue;
    errors.push(`could not ${items[0]?.why}: ${error}`);
    if (!force) break;
  }
  return errors;
}

/**
 * Writes the ledger down; no step where it is the same.
 * @param before as it lies there
 * @param after as it is to be
 */
export function noteSteps(before: Ledger, after: Ledger): Step[] {
  const text = (ledger: Ledger) => (ledger.length === 0 ? undefined : ledger);
  return remember(LEDGER, text(before), text(after), 'what of the host is changed for whom');
}
