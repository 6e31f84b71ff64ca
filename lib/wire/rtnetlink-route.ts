// `ip route` as rtnetlink(7) messages. The numbers are from linux/rtnetlink.h.
import {
  AF_INET,
  attribute,
  joined,
  NLM,
  NONE,
  optionsOf,
  prefixBytes,
  RTM,
  type RtMessage,
  SCOPES,
  u32,
  wordOf,
} from './rtnetlink-bytes.ts';

const RTA = {
  destination: 1,
  output: 4,
  gateway: 5,
  priority: 6,
  preferredSource: 7,
  table: 15,
  preference: 20,
} as const;
const VALUED = ['dev', 'via', 'table', 'proto', 'scope', 'src', 'metric', 'pref'];
const TABLES: ReadonlyMap<string, number> = new Map([['main', 254]]);
const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['kernel', 2],
  ['boot', 3],
  ['static', 4],
  ['ra', 9],
  ['dhcp', 16],
]);
const PREFERENCES: ReadonlyMap<string, number> = new Map([
  ['medium', 0],
  ['high', 1],
  ['low', 3],
]);
const [SCOPE_UNIVERSE, SCOPE_LINK, SCOPE_NOWHERE, TYPE_UNICAST, ONLINK] = [0, 253, 255, 1, 4];
/** A larger table number does not fit into the message's header. */
const LAST_SHORT_TABLE = 255;

const VERBS = new Map([
  ['add', { type: RTM.newRoute, flags: NLM.create | NLM.exclusive }],
  ['append', { type: RTM.newRoute, flags: NLM.create | NLM.append }],
  ['prepend', { type: RTM.newRoute, flags: NLM.create }],
  ['replace', { type: RTM.newRoute, flags: NLM.create | NLM.replace }],
  ['del', { type: RTM.delRoute, flags: 0 }],
]);

/**
 * The request RTM_GETROUTE: which route the kernel would use for a packet to an address.
 * @param address IPv4
 */
export function encodeLookup(address: string): Uint8Array {
  const bytes = prefixBytes(address)?.bytes ?? NONE;
  return joined([
    new Uint8Array([AF_INET, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    attribute(RTA.destination, bytes),
  ]);
}

/**
 * The message for `ip route VERB PREFIX dev NAME …`.
 * @param verb add, append, prepend, replace or del
 * @param words the words after the verb
 * @param indexOf returns a device's index; may throw when there is no such device
 * @returns undefined for what only `ip` itself can do: types other than unicast, several next hops, rare attributes
 */
export function encodeRoute(
  verb: string,
  [prefix = '', ...words]: readonly string[],
  indexOf: (name: string) => number,
): RtMessage | undefined {
  const kind = VERBS.get(verb);
  const options = optionsOf(words, VALUED, ['onlink']);
  const target = prefixBytes(prefix === 'default' ? '0.0.0.0/0' : prefix);
  const device = options?.get('dev');
  if (kind === undefined || options === undefined || target === undefined || device === undefined)
    return undefined;
  const { family, length, bytes } = target;
  const deleting = kind.type === RTM.delRoute;
  const numbers = headerNumbers(options, family, deleting);
  const more = attributes(options, family);
  if (numbers === undefined || more === undefined) return undefined;
  const { table, protocol, scope } = numbers;
  const header = [family, length, 0, 0, table > LAST_SHORT_TABLE ? 0 : table, protocol, scope];
  const flags = options.has('onlink') ? ONLINK : 0;
  return {
    ...kind,
    payload: joined([
      new Uint8Array([...header, deleting ? 0 : TYPE_UNICAST]),
      u32(flags),
      ...(prefix === 'default' ? [] : [attribute(RTA.destination, bytes)]),
      ...(table > LAST_SHORT_TABLE ? [attribute(RTA.table, u32(table))] : []),
      attribute(RTA.output, u32(indexOf(device))),
      ...more,
    ]),
  };
}

function headerNumbers(
  options: ReadonlyMap<string, string>,
  family: number,
  deleting: boolean,
): { readonly table: number; readonly protocol: number; readonly scope: number } | undefined {
  const table = options.get('table') ?? 'main';
  const protocol = options.get('proto');
  const scope = options.get('scope');
  const onLink = family === AF_INET && !options.has('via') ? SCOPE_LINK : SCOPE_UNIVERSE;
  const numbers = {
    table: TABLES.get(table) ?? wordOf(table),
    protocol: protocol === undefined ? (deleting ? 0 : 3) : (PROTOCOLS.get(protocol) ?? wordOf(protocol)),
    scope: scope === undefined ? (deleting ? SCOPE_NOWHERE : onLink) : SCOPES.get(scope),
  };
  const { table: id, protocol: number, scope: wide } = numbers;
  // Table 255 holds local routes, which are no unicast routes.
  if (
    id === undefined ||
    id === 0 ||
    id === 255 ||
    number === undefined ||
    number > 255 ||
    wide === undefined
  )
    return undefined;
  return { table: id, protocol: number, scope: wide };
}

function attributes(options: ReadonlyMap<string, string>, family: number): Uint8Array[] | undefined {
  const found: Uint8Array[] = [];
  for (const [key, type] of [
    ['via', RTA.gateway],
    ['src', RTA.preferredSource],
  ] as const) {
    const value = options.get(key);
    const address = value === undefined ? undefined : prefixBytes(value);
    if (value !== undefined && (address?.family !== family || value.includes('/'))) return undefined;
    if (address !== undefined) found.push(attribute(type, address.bytes));
  }
  const metric = options.get('metric');
  const priority = metric === undefined ? undefined : wordOf(metric);
  if (metric !== undefined && priority === undefined) return undefined;
  if (priority !== undefined) found.push(attribute(RTA.priority, u32(priority)));
  const pref = options.get('pref');
  const preference = pref === undefined ? undefined : PREFERENCES.get(pref);
  if (pref !== undefined && preference === undefined) return undefined;
  if (preference !== undefined) found.push(attribute(RTA.preference, new Uint8Array([preference])));
  return found;
}
