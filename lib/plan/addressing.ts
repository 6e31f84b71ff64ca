import { type Family, linkLocal } from '../contract/addresses.ts';
import type { Address, HostState, Link, NextHop, PolicyRule, Route } from '../observe/host.ts';
import { type Command, ip } from './step.ts';

/**
 * The addresses of a device that have to be moved: all but the IPv6 link-local one that the kernel makes of the MAC
 * address, and makes again on the device that gets it.
 * @param link the device
 * @param family one family only
 */
export function ownAddresses(link: Link, family: Family): Address[] {
  const automatic = linkLocal(link.mac);
  return link.addresses.filter((address) => address.family === family && address.local !== automatic);
}

/**
 * `ip address …` for an address, with all its attributes (ip-address(8)).
 * @param verb add or replace
 * @param address the address
 * @param dev the device that gets it
 * @param from the device that it comes from; a label that carries its name gets the new one
 */
export function addressCommand(
  verb: 'add' | 'replace',
  address: Address,
  dev: string,
  from: string,
): Command {
  const { local, length, peer, broadcast, scope, label, metric, flags } = address;
  const words = ['address', verb];
  if (peer === undefined) words.push(`${local}/${length}`);
  else words.push(local, 'peer', `${peer}/${length}`);
  if (broadcast !== undefined) words.push('broadcast', broadcast);
  if (scope !== 'global') words.push('scope', scope);
  if (metric !== undefined) words.push('metric', `${metric}`);
  words.push('dev', dev);
  const renamed =
    label === from || label?.startsWith(`${from}:`) ? `${dev}${label.slice(from.length)}` : label;
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
 * The routes of a device, in every table, that do not come back by themselves with its addresses: first those that
 * need no gateway, so that the gateways of the others are reachable when their turn comes.
 * @param state the host
 * @param dev the device's name
 * @param family one family only
 */
export function ownRoutes(state: HostState, dev: string, family: Family): Route[] {
  const addresses = state.links.find((link) => link.name === dev)?.addresses ?? [];
  const own = state.routes.filter(
    (route) =>
      route.family === family &&
      route.protocol !== 'kernel' &&
      (route.hops.some((hop) => hop.dev === dev) ||
        addresses.some((address) => address.local === route.source)),
  );
  const hasGateway = (route: Route) => route.hops.some((hop) => hop.gateway !== undefined);
  return [...own.filter((route) => !hasGateway(route)), ...own.filter(hasGateway)];
}

/**
 * `ip route …` for a route, with all its attributes (ip-route(8)).
 * @param verb add, append, replace or del
 * @param route the route
 * @param from a device name in the route…
 * @param to …and the one to stand in its place
 */
export function routeCommand(
  verb: 'add' | 'append' | 'replace' | 'del',
  route: Route,
  from: string,
  to: string,
): Command {
  const words = ['route', verb];
  if (route.type !== 'unicast') words.push(route.type);
  // "default" alone would be read as IPv4's.
  words.push(route.destination === 'default' && route.family === 6 ? '::/0' : route.destination);
  if (route.from !== undefined) words.push('from', route.from);
  if (route.tos !== undefined) words.push('tos', route.tos);
  const hops = route.hops.map((hop) => hopWords(hop, from, to));
  if (hops.length === 1) words.push(...hops.flat());
  words.push('table', route.table, 'proto', route.protocol);
  if (route.family === 4) words.push('scope', route.scope);
  if (route.metric !== undefined && route.metric > 0) words.push('metric', `${route.metric}`);
  if (route.source !== undefined) words.push('src', route.source);
  if (route.expiresSeconds !== undefined) words.push('expires', `${route.expiresSeconds}`);
  words.push(...route.metrics);
  if (route.preference !== undefined && route.preference !== 'medium') words.push('pref', route.preference);
  if (hops.length > 1)
    words.push(...hops.flatMap((hop, i) => ['nexthop', ...hop, 'weight', `${route.hops[i]?.weight ?? 1}`]));
  return ip(...words);
}

function hopWords(hop: NextHop, from: string, to: string): string[] {
  const dev = hop.dev === from ? to : hop.dev;
  return [
    ...(hop.gateway === undefined ? [] : ['via', ...(hop.gatewayFamily === 6 ? ['inet6'] : []), hop.gateway]),
    ...(dev === undefined ? [] : ['dev', dev]),
    ...(hop.onlink ? ['onlink'] : []),
  ];
}

/**
 * `ip rule …` for a rule that names a device.
 * @param verb add or del
 * @param rule the rule
 * @param from a device name in the rule…
 * @param to …and the one to stand in its place
 */
export function ruleCommand(verb: 'add' | 'del', rule: PolicyRule, from: string, to: string): Command {
  const words = rule.words.map((word, i) =>
    ['iif', 'oif'].includes(rule.words[i - 1] ?? '') && word === from ? to : word,
  );
  const args = ['rule', verb, ...words, 'priority', `${rule.priority}`];
  // A rule need not hold an address that tells its family, and a batch has one family for all.
  return rule.family === 4 ? ip(...args) : { tool: 'run', argv: ['ip', '-6', ...args] };
}

/**
 * The rules that name a device.
 * @param state the host
 * @param dev the device's name
 */
export function rulesOf(state: HostState, dev: string): PolicyRule[] {
  return state.rules.filter((rule) =>
    rule.words.some((word, i) => word === dev && ['iif', 'oif'].includes(rule.words[i - 1] ?? '')),
  );
}
