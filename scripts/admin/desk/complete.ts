import { type Candidate, completeHook, type HostNames } from '../../../lib/desk/completion.ts';
import { completeCommand, parseHelpText } from '../../../lib/desk/help-text.ts';
import { XenstoreError } from '../../../lib/errors.ts';
import type { Context } from '../../../lib/hook/context.ts';
import { hookTables } from '../../../lib/hook/help.ts';
import { listBridges, listDevices } from '../../../lib/observe/host/port.ts';
import { deviceNames, readBackends } from '../../../lib/observe/vif/backends.ts';
import { LOCKING_MODES } from '../../../lib/request/arguments.ts';
import { withXenstore } from '../../../lib/system/xenstore/open.ts';

/** The time limit of the request to xenstore: a user waits at the keyboard. */
const ANSWER_MS = 500;
const TOOL = 'xen-network';
/** The commands that take a guest or one of its devices. */
const OF_GUESTS = ['vif', 'reattach', 'doctor', 'traffic'];

/**
 * Prints the possible next words, one in a line, each with a tab and its meaning. Prints nothing for file names.
 * @param context the call
 * @param typed the program's name, the words before, and the incomplete word, possibly empty
 * @param helpOf gives the help text of the tool, or of a command
 */
export async function complete(
  context: Context,
  typed: readonly string[],
  helpOf: (words: readonly string[]) => Promise<string>,
): Promise<number> {
  const [program = TOOL, ...rest] = typed;
  const words = rest.slice(0, -1);
  const current = rest.slice(-1)[0] ?? '';
  const tables = hookTables();
  const [hook, own] = program === TOOL ? [words[0] ?? '', words.slice(1)] : [program, words];
  const table = tables.get(hook);
  const found =
    table !== undefined
      ? completeHook(table, own, current, await hostNames(context, current.startsWith('vif=')), callsIn(hook))
      : await completeTool(context, words, current, helpOf);
  for (const { word, about } of found) context.print(`${word}\t${about}\n`);
  return 0;
}

/** The arguments of network-multi-bridge contain calls of the other hooks. */
function callsIn(hook: string) {
  const calls = [...hookTables()].filter(([name]) => name.startsWith('network-') && name !== hook);
  return new Map(hook === 'network-multi-bridge' ? calls : []);
}

async function completeTool(
  context: Context,
  words: readonly string[],
  current: string,
  helpOf: (words: readonly string[]) => Promise<string>,
): Promise<Candidate[]> {
  const [command, ...rest] = words;
  const help = parseHelpText(await helpOf(command === undefined ? [] : [command]));
  if (command === undefined) {
    const hooks = [...hookTables()].map(([word, { purpose }]) => ({ word, about: purpose }));
    const options = current.startsWith('-') ? help.options : [];
    return [...help.commands, ...hooks, ...options].filter(({ word }) => word.startsWith(current));
  }
  const { guestDevices } = await hostNames(context, OF_GUESTS.includes(command));
  return completeCommand(help, rest, current, (positional) => {
    if (positional === 'name') return guestDevices;
    if (positional === 'guest') return guestDevices.map(({ word, about }) => ({ word: about, about: word }));
    return positional === 'setting'
      ? [...LOCKING_MODES, 'log'].map((word) => ({ word, about: 'what to set' }))
      : [];
  });
}

async function hostNames({ system, env }: Context, withGuests: boolean): Promise<HostNames> {
  const devices = listDevices(system).filter((name) => !/^(lo$|vif\d|tap\d)/.test(name));
  const names = { devices, bridges: listBridges(system), guestDevices: [] };
  if (!withGuests) return names;
  try {
    const cards = await withXenstore(
      await system.native(),
      env,
      (store) => readBackends(store, []),
      ANSWER_MS,
    );
    const guestDevices = cards.map((backend) => ({
      word: deviceNames(backend)[0],
      about: backend.guest ?? `domain ${backend.domid}`,
    }));
    return { ...names, guestDevices };
  } catch (thrown) {
    if (thrown instanceof XenstoreError) return names;
    throw thrown;
  }
}
