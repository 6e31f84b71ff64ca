import type { Address, HostState, Link, Neighbour, PolicyRule, Route } from '../../observe/host/host.ts';
import { type Family, isWithin, linkLocal, type Prefix, parsePrefix } from '../../request/addresses.ts';
import { type Command, ip } from '../step.ts';

/** Two of the ways to make a route; `creation` decides which is right. */
export type Creation = 'append' | 'prepend';

/**
 * The addresses of a device that must be moved. The IPv6 link-local address is not among them: the kernel derives it
 * from the MAC address, and makes it again on the device that gets that MAC address.
 * @param link the device
 * @param family one family only
 * @param eui64 whether the kernel derives such an address at all (addr_gen_mode 0)
 */
export function ownAddresses(link: Link, family: Family, eui64 = true): Address[] {
  const automatic = eui64 ? linkLocal(link.mac) : undefined;
  return link.addresses.filter((address) => address.family === family && address.local !== automatic);
}

/**
 * `ip address …` for an address with all its attributes (ip-address(8)).
 * @param verb add, replace or change
 * @param address the address
 * @param dev the device that gets it
 * @param from the device that had it; a label that begins with its name gets the new name
 */
export function addressCommand(
  verb: 'add' | 'replace' | 'change',
  address: Address,
  dev: string,
  from: string,
): Command {
  const { broadcast, scope, label, metric, protocol, flags } = address;
  const words = ['address', verb, ...addressWords(address)];
  if (broadcast !== undefined) words.push('broadcast', broadcast);
  if (scope !== 'global') words.push('scope', scope);
  if (metric !== undefined) words.push('metric', `${metric}`);
  if (protocol !== undefined) words.push('proto', protocol);
  words.push('dev', dev);
  // iproute2 only accepts a label that begins with the device's name.
  const renamed = label?.startsWith(from) ? `${dev}${label.slice(from.length)}` : undefined;
  if (renamed !== undefined && renamed.length <= 15) words.push('label', renamed);
  if (address.validSeconds !== undefined) words.push('valid_lft', `${address.validSeconds}`);
  if (address.preferredSeconds !== undefined)
    words.push('preferred_lft', `${Math.min(address.preferredSeconds, address.validSeconds ?? Infinity)}`);
  for (const flag of ['home', 'nodad', 'mngtmpaddr', 'noprefixroute', 'autojoin']) {
    if (flags.has(flag)) words.push(flag);
  }
  return ip(...words);
}

/**
 * `ip address del` for an address.
 * @param address the address
 * @param dev the device that has it
 */
export function addressRemoval(address: Address, dev: string): Command {
  return ip('address', 'del', ...addressWords(address), 'dev', dev);
}

function addressWords({ local, length, peer }: Address): string[] {
  return peer === undefined ? [`${local}/${length}`] : [local, 'peer', `${peer}/${length}`];
}

/**
 * The routes of a device, in every table, that the kernel does not make again with the addresses. Routes without a
 * gateway come first, so that the gateways of the others are reachable.
 * @param state the host
 * @param dev the device's name
 * @param family one family only
 */
export function ownRoutes(state: HostState, dev: string, family: Family): Route[] {
  const addresses = state.links.find((link) => link.name === dev)?.addresses ?? [];
  const automatic = new Set(addresses.flatMap(prefixRoutes));
  const own = state.routes.filter(
    (route) =>
      route.family === family &&
      (route.hops.some((hop) => hop.dev === dev) ||
        addresses.some((address) => address.local === route.source)) &&
      !(route.protocol === 'kernel' && (route.table === 'local' || automatic.has(prefixRouteKey(route)))),
  );
  const hasGateway = (route: Route) => route.hops.some((hop) => hop.gateway !== undefined);
  const groups = [own.filter((route) => !hasGateway(route)), own.filter(hasGateway)];
  return groups.flatMap((group) => [
    ...group.filter((route) => creation(state, dev, route) === 'append'),
    ...group.filter((route) => creation(state, dev, route) === 'prepend').reverse(),
  ]);
}

/** The routes that the kernel adds and removes together with an address. */
function prefixRoutes(address: Address): string[] {
  const { family, local, length, peer, metric, flags } = address;
  if (flags.has('noprefixroute')) return [];
  const ends = family === 6 && peer !== undefined ? [local, peer] : [peer ?? local];
  return ends.flatMap((end) => {
    const prefix = parsePrefix(`${end}/${length}`);
    if (prefix === undefined) return [];
    const whole = length === (family === 4 ? 32 : 128);
    const destination = whole ? prefix.address : `${prefix.address}/${length}`;
    return [`${destination} ${metric ?? (family === 4 ? 0 : 256)}`];
  });
}

function prefixRouteKey({ destination, metric }: Route): string {
  return `${destination} ${metric ?? 0}`;
}

/**
 * How to make a route again so that it keeps its place among other devices' routes with the same destination and
 * metric. Never `replace`, which would remove those.
 * @param state the host
 * @param dev the route's device
 * @param route the route
 */
export function creation(state: HostState, dev: string, route: Route): Creation {
  const key = (other: Route) =>
    [other.family, other.table, other.destination, other.tos, other.metric ?? 0].join(' ');
  const rest = state.routes.slice(state.routes.indexOf(route) + 1);
  const followed = rest.some(
    (other) => key(other) === key(route) && !other.hops.some((hop) => hop.dev === dev),
  );
  return route.family === 4 && followed ? 'prepend' : 'append';
}

/**
 * `ip route …` for a route with all its attributes (ip-route(8)).
 * @param verb how to make it, or del
 * @param route the route
 * @param from a device name in the route…
 * @param to …and the name to put in its place
 */
export function routeCommand(verb: Creation | 'del', route: Route, from: string, to: string): Command {
  // `ip` would read "default" alone as the IPv4 one.
  const destination = route.destination === 'default' && route.family === 6 ? '::/0' : route.destination;
  const type = route.type === 'unicast' ? [] : [route.type];
  return ip('route', verb, ...type, destination, ...renamed(route.words, ['dev'], from, to));
}

/**
 * `ip route …` that makes a device's route, on it or on another device.
 * @param state the host
 * @param dev the route's device
 * @param route the route
 * @param to the device that gets it
 */
export function routeCreation(state: HostState, dev: string, route: Route, to: string): Command {
  return routeCommand(creation(state, dev, route), attainable(state, dev, route), dev, to);
}

/**
 * A route as it can be made again. The kernel keeps a route whose gateway is on no network of the device any more, as
 * after the loss of an address, but makes none such unless it is told that the gateway is on the link.
 */
function attainable(state: HostState, dev: string, route: Route): Route {
  const { family, hops, words } = route;
  const [hop, ...others] = hops;
  const gateway = parsePrefix(hop?.gateway ?? '');
  if (gateway?.family !== family || others.length > 0 || hop?.dev !== dev || words.includes('onlink'))
    return route;
  const linkLocals = parsePrefix('fe80::/10');
  const networks = state.routes
    .filter((other) => other.family === family && other.type === 'unicast')
    .filter((other) => other.hops.some((way) => way.dev === dev && way.gateway === undefined))
    .map(({ destination }) => (destination === 'default' ? undefined : parsePrefix(destination)));
  const holds = (network: Prefix | undefined) => network === undefined || isWithin(network, gateway);
  if (networks.some(holds) || (family === 6 && holds(linkLocals))) return route;
  const at = words.lastIndexOf('dev') + 2;
  return { ...route, words: [...words.slice(0, at), 'onlink', ...words.slice(at)] };
}

/**
 * `ip rule …` for a rule that names a device.
 * @param verb add or del
 * @param rule the rule
 * @param from a device name in the rule…
 * @param to …and the name to put in its place
 */
export function ruleCommand(verb: 'add' | 'del', rule: PolicyRule, from: string, to: string): Command {
  const words = renamed(rule.words, ['iif', 'oif'], from, to);
  const args = ['rule', verb, ...words, 'priority', `${rule.priority}`];
  // A rule without an address does not tell its family, and a batch of `ip` has one family.
  return rule.family === 4 ? ip(...args) : { tool: 'run', argv: ['ip', '-6', ...args] };
}

/**
 * Replaces a device's name in the words of a command.
 * @param words the words
 * @param keys the words after which a device's name stands
 * @param from the old name…
 * @param to …and the new name
 */
export function renamed(
  words: readonly string[],
  keys: readonly string[],
  from: string,
  to: string,
): string[] {
  return words.map((word, i) => (keys.includes(words[i - 1] ?? '') && word === from ? to : word));
}

/**
 * The policy rules that name a device.
 * @param state the host
 * @param dev the device's name
 */
export function rulesOf(state: HostState, dev: string): PolicyRule[] {
  return state.rules.filter((rule) =>
    rule.words.some((word, i) => word === dev && ['iif', 'oif'].includes(rule.words[i - 1] ?? '')),
  );
}

/**
 * `ip neigh replace` for a permanent neighbour (ip-neighbour(8)).
 * @param neighbour the neighbour
 * @param dev the device that leads to it
 */
export function neighbourCommand({ words }: Neighbour, dev: string): Command {
  return ip('neigh', 'replace', ...words, 'dev', dev);
}
