import { holdsFor, type PacketState } from '../../filter/packet.ts';
import { type Fits, fateIn, namesDevice } from '../../filter/walk.ts';
import { isWithin, type Prefix, parsePrefix } from '../../request/addresses.ts';
import type { FirewallChain } from '../../wire/firewall-rules.ts';

/** What is known of a packet that goes through FORWARD. */
export interface ForwardedPacket {
  /** The devices that rules match by -i and -o; a bridged packet has the bridge as both. */
  readonly from: string;
  readonly to: string;
  /** The ports, for a bridged packet. */
  readonly ports: { readonly from: string; readonly to: string } | undefined;
  readonly source: Prefix | undefined;
  readonly destination: Prefix | undefined;
  readonly state: PacketState;
}

/**
 * The chains of forwarding that drop a packet.
 * @param chains the host's chains
 * @param packet what is known of the packet
 * @returns such as "ip filter FORWARD"
 */
export function droppingChains(chains: readonly FirewallChain[], packet: ForwardedPacket): string[] {
  const fits: Fits = (match) =>
    namesDevice(match, match.direction === 'in' ? packet.from : packet.to) !== match.negated;
  return chains
    .filter(({ hook, table }) => hook === 'forward' && /^(ip|inet) (?!mangle|security)/.test(table))
    .filter((chain) => fateIn(chains, chain, fits, (conditions) => holds(conditions, packet)) === 'drop')
    .map(({ table, name }) => `${table} ${name}`);
}

function holds(conditions: readonly string[], packet: ForwardedPacket): boolean {
  const rest: string[] = [];
  for (let at = 0; at < conditions.length; at++) {
    const [word = '', next = ''] = conditions.slice(at, at + 2);
    if (word === '--physdev-is-bridged') {
      if (packet.ports === undefined) return false;
    } else if (word === '--physdev-in' || word === '--physdev-out') {
      const port = word.endsWith('in') ? packet.ports?.from : packet.ports?.to;
      if (port === undefined || !isPort(next, port)) return false;
      at++;
    } else if (word === '-m' && next === 'physdev') at++;
    else if (word === '-d') {
      const range = parsePrefix(next);
      if (range === undefined || packet.destination === undefined) return false;
      if (!isWithin(range, packet.destination)) return false;
      at++;
    } else rest.push(word);
  }
  return holdsFor(packet.source, packet.state)(rest);
}

function isPort(pattern: string, port: string): boolean {
  return pattern.endsWith('+') ? port.startsWith(pattern.slice(0, -1)) : pattern === port;
}
