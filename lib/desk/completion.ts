/** A word that may come next, and what it is. */
export interface Candidate {
  readonly word: string;
  readonly about: string;
}

/** What a hook takes, as its help tells it. */
export interface HookTable {
  readonly purpose: string;
  /** The command words. */
  readonly commands: readonly string[];
  /** Each is NAME=VALUE, with its meaning; "|" separates alternative values. */
  readonly variables: readonly (readonly [name: string, meaning: string])[];
}

/** Names on this host, by their placeholders in the help texts: NAME of netdev, of bridge and so on. */
export interface HostNames {
  readonly devices: readonly string[];
  readonly bridges: readonly string[];
  /** Guests' devices, with the guests' names. */
  readonly guestDevices: readonly Candidate[];
}

const OPTIONS: readonly Candidate[] = [
  { word: '--dry-run', about: 'show the commands, and change nothing' },
  { word: '--json', about: 'as JSON' },
  { word: '--help', about: 'explain' },
  { word: '--version', about: 'tell the version' },
];

/**
 * The words that may come next in a hook's call.
 * @param table the commands, options and variables of the hook
 * @param words the words before, without the hook's name
 * @param current the incomplete word, possibly empty
 * @param names the names on this host
 * @param others the tables of the hooks whose calls may follow as well, as for network-multi-bridge
 */
export function completeHook(
  table: HookTable,
  words: readonly string[],
  current: string,
  names: HostNames,
  others: ReadonlyMap<string, HookTable> = new Map(),
): Candidate[] {
  // A hook's name begins a new call.
  const at = words.reduce((last, word, i) => (others.has(word) ? i : last), -1);
  const inner = others.get(words[at] ?? '');
  const own = words.slice(at + 1);
  const { variables } = inner ?? table;
  const equals = current.indexOf('=');
  if (equals > 0) return valuesOf(variables, current.slice(0, equals), names).filter(begins(current));
  const hasCommand = words.some((word) => table.commands.includes(word));
  const commands = hasCommand ? [] : table.commands.map((word) => ({ word, about: 'command' }));
  const unset = variables.filter(([name]) => !own.some((word) => word.startsWith(`${nameOf(name)}=`)));
  // Several lines may describe one variable; the first says what it is.
  const settings = new Map([...unset].reverse().map(([name, about]) => [`${nameOf(name)}=`, about]));
  const calls = [...others].map(([word, { purpose }]) => ({ word, about: purpose }));
  return [
    ...commands,
    ...[...settings].reverse().map(([word, about]) => ({ word, about })),
    ...(hasCommand ? calls : []),
    ...OPTIONS,
  ].filter(begins(current));
}

/** Options only after a "-": there are few of them, and many variables. */
function begins(current: string): (candidate: Candidate) => boolean {
  return ({ word }) => word.startsWith(current) && (current.startsWith('-') || !word.startsWith('-'));
}

function nameOf(variable: string): string {
  return variable.slice(0, variable.indexOf('='));
}

function valuesOf(variables: HookTable['variables'], name: string, names: HostNames): Candidate[] {
  const own = variables.filter(([variable]) => nameOf(variable) === name);
  const given = own.flatMap(([variable, about]) =>
    variable
      .slice(name.length + 1)
      .split('|')
      .filter((value) => /^[a-z]+$/.test(value))
      .map((value) => ({ word: `${name}=${value}`, about })),
  );
  if (own.length === 0 || given.length > 0) return given;
  return namesFor(name, names).map(({ word, about }) => ({ word: `${name}=${word}`, about }));
}

function namesFor(variable: string, { devices, bridges, guestDevices }: HostNames): readonly Candidate[] {
  if (variable === 'netdev') return devices.map((word) => ({ word, about: 'device' }));
  if (variable === 'bridge') return bridges.map((word) => ({ word, about: 'bridge' }));
  return variable === 'vif' ? guestDevices : [];
}
