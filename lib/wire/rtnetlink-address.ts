// `ip address` as rtnetlink(7) messages. The numbers are from linux/if_addr.h.
import { ipv4Octets } from '../request/addresses.ts';
import {
  AF_INET,
  attribute,
  cString,
  joined,
  NLM,
  optionsOf,
  prefixBytes,
  RTM,
  type RtMessage,
  SCOPES,
  u32,
  wordOf,
} from './rtnetlink-bytes.ts';

export const IFA = {
  address: 1,
  local: 2,
  label: 3,
  broadcast: 4,
  cacheInfo: 6,
  flags: 8,
  metric: 9,
} as const;
const FLAGS: ReadonlyMap<string, number> = new Map([
  ['nodad', 0x02],
  ['home', 0x10],
  ['mngtmpaddr', 0x100],
  ['noprefixroute', 0x200],
  ['autojoin', 0x400],
]);
const VALUED = ['dev', 'broadcast', 'scope', 'metric', 'label', 'valid_lft', 'preferred_lft'];
const FOREVER = 0xffffffff;
const LOOPBACK = 127;

const VERBS = new Map([
  ['add', { type: RTM.newAddress, flags: NLM.create | NLM.exclusive }],
  ['replace', { type: RTM.newAddress, flags: NLM.create | NLM.replace }],
  ['change', { type: RTM.newAddress, flags: NLM.replace }],
  ['del', { type: RTM.delAddress, flags: 0 }],
]);

/**
 * The message for `ip address VERB ADDRESS/LENGTH …`.
 * @param verb add, replace, change or del
 * @param words the words after the verb
 * @param indexOf returns a device's index; may throw when there is no such device
 * @returns undefined for what only `ip` itself can do: an address with a peer, a protocol
 */
export function encodeAddress(
  verb: string,
  [prefix = '', ...words]: readonly string[],
  indexOf: (name: string) => number,
): RtMessage | undefined {
  const kind = VERBS.get(verb);
  const target = prefixBytes(prefix);
  const options = optionsOf(words, VALUED, [...FLAGS.keys()]);
  const name = options?.get('dev');
  if (kind === undefined || target === undefined || options === undefined || name === undefined)
    return undefined;
  const { family, length, bytes } = target;
  const more = attributes(options, family, name);
  const scope = SCOPES.get(options.get('scope') ?? 'global');
  // ip gives loopback addresses the scope "host".
  const isLoopback = family === AF_INET && bytes[0] === LOOPBACK && !options.has('scope');
  if (more === undefined || scope === undefined || isLoopback) return undefined;
  const header = new Uint8Array([family, length, 0, scope, ...u32(indexOf(name))]);
  const both = [attribute(IFA.local, bytes), attribute(IFA.address, bytes)];
  return { ...kind, payload: joined([header, ...both, ...more]) };
}

function attributes(
  options: ReadonlyMap<string, string>,
  family: number,
  name: string,
): Uint8Array[] | undefined {
  const found: Uint8Array[] = [];
  const [broadcast, label, metric] = ['broadcast', 'label', 'metric'].map((key) => options.get(key));
  if (broadcast !== undefined) {
    const octets = family === AF_INET ? ipv4Octets(broadcast) : undefined;
    if (octets === undefined) return undefined;
    found.push(attribute(IFA.broadcast, new Uint8Array(octets)));
  }
  if (label !== undefined) {
    if (!label.startsWith(name)) return undefined;
    found.push(attribute(IFA.label, cString(label)));
  }
  if (metric !== undefined) {
    const value = wordOf(metric);
    if (value === undefined) return undefined;
    found.push(attribute(IFA.metric, u32(value)));
  }
  const lifetime = lifetimes(options);
  if (lifetime === undefined) return undefined;
  const flags = [...FLAGS].reduce((sum, [word, bit]) => (options.has(word) ? sum | bit : sum), 0);
  return [...found, ...lifetime, ...(flags === 0 ? [] : [attribute(IFA.flags, u32(flags))])];
}

/** struct ifa_cacheinfo: preferred and valid lifetime, and two times that only the kernel sets. */
function lifetimes(options: ReadonlyMap<string, string>): Uint8Array[] | undefined {
  if (!options.has('valid_lft') && !options.has('preferred_lft')) return [];
  const [preferred, valid] = ['preferred_lft', 'valid_lft'].map((key) => {
    const value = options.get(key);
    return value === undefined ? FOREVER : wordOf(value);
  });
  if (preferred === undefined || valid === undefined) return undefined;
  return [attribute(IFA.cacheInfo, joined([preferred, valid, 0, 0].map(u32)))];
}
