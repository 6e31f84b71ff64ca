import type { NeighbourEntry } from '../../observe/desk/path.ts';
import { listed } from '../../text.ts';
import type { DoctorFacts } from '../doctor/facts.ts';
import { droppingChains } from './verdict.ts';
import type { Way } from './ways.ts';

/** What is asked for one guest alone. */
export interface WayFacts {
  /** The states of its card's ends in xenstore. */
  readonly front: string | undefined;
  readonly back: string | undefined;
  /** MAC addresses that the bridge learned from the device. */
  readonly learned: readonly string[];
  readonly neighbour: NeighbourEntry | undefined;
  readonly offloads: boolean;
  /** Families whose bridged packets go through iptables. */
  readonly filtered: readonly (4 | 6)[];
}

/** What counts a guest's packets at a hop. */
export type Counter = 'guest' | 'uplink' | 'host' | 'rules' | 'refused' | 'masqueraded';

/** A place that a guest's packets pass, from its card to the wire. */
export interface Hop {
  readonly name: string;
  readonly what: string;
  /** How it is, in a few words. */
  readonly state: string;
  /** What is wrong here, and what to do; undefined where nothing is. */
  readonly fault: string | undefined;
  readonly counter: Counter | undefined;
}

/** xenbus_state: Initialising to Reconfigured. */
const STATES = [
  'unknown',
  'initialising',
  'waiting for its backend',
  'initialised',
  'connected',
  'closing',
  'closed',
  'reconfiguring',
  'reconfigured',
];

/**
 * The hops of a way, from the guest's end to the gateway.
 * @param facts what is so on the host
 * @param way the way
 * @param own what was asked for this guest
 */
export function hopsOf(facts: DoctorFacts, way: Way, own: WayFacts): Hop[] {
  const { network } = way;
  const hops = [cardHop(way, own), deviceHop(facts, way), ...filterHops(facts, way)];
  if (network === undefined) return hops;
  hops.push(...forwardHops(facts, way, own));
  if (network.kind === 'routed') hops.push(routeHop(facts, way), ...natHops(facts, way, own));
  else hops.push(networkHop(way, own), ...endHops(way));
  return [...hops, ...uplinkHops(facts, way), ...gatewayHops(way, own)];
}

function hop(name: string, what: string, state: string, more: Partial<Hop> = {}): Hop {
  return { name, what, state, fault: undefined, counter: undefined, ...more };
}

function cardHop({ card }: Way, { front, back }: WayFacts): Hop {
  const { guest, devid, hotplug, error } = card;
  const told = (state: string | undefined) => STATES[Number(state ?? 0)] ?? STATES[0] ?? '';
  const state = `hotplug-status ${hotplug ?? 'not set'}, front end ${told(front)}`;
  const isConnected = front === '4';
  const fault =
    error !== undefined
      ? `${error}`
      : hotplug !== 'connected'
        ? `The hook has not attached card ${devid} of ${guest}: hotplug-status is ${hotplug ?? 'not set'}. Look at /var/log/xen/xen-hotplug.log.`
        : isConnected || front === undefined
          ? undefined
          : `The front end of card ${devid} of ${guest} is ${told(front)} (its backend ${told(back)}): the guest's driver does not use the card. Look inside of the guest ("dmesg", "ip link").`;
  return hop(guest, `card ${devid}`, state, { fault });
}

function deviceHop({ state, records }: DoctorFacts, { port, device, network, card }: Way): Hop {
  const link = state.links.find(({ name }) => name === port);
  const flags = link?.flags ?? new Set();
  const vlans = records.get(device)?.vlans?.text ?? '';
  const place =
    network === undefined ? 'on no network' : network.kind === 'routed' ? 'routed to' : `on ${network.name}`;
  const words = [
    flags.has('UP') ? 'up' : 'down',
    flags.has('LOWER_UP') ? 'carrier' : 'no carrier',
    place,
    ...(vlans === '' ? [] : [`VLANs ${vlans}`]),
    `MTU ${link?.mtu ?? 0}`,
  ];
  const fault =
    flags.has('UP') && !flags.has('LOWER_UP')
      ? `${port} has no carrier: the card inside of ${card.guest} is down. Bring it up there ("ip link set dev eth${card.devid} up").`
      : undefined;
  return hop(port, device.endsWith('-emu') ? 'emulated card' : 'device', words.join(', '), {
    counter: 'guest',
    fault,
  });
}

function filterHops({ strict }: DoctorFacts, { port, card }: Way): Hop[] {
  const record = strict.get(port);
  if (record === undefined) return [];
  const fault =
    record.mode === 'disabled'
      ? `${port} of ${card.guest} is disabled: nothing passes. Run "xen-network vif ${port} locked".`
      : undefined;
  return [hop('filter', 'antispoof=strict', record.mode, { counter: 'refused', fault })];
}

/** Which chains let the guest's packets pass, out and back. */
function forwardHops(facts: DoctorFacts, way: Way, { filtered }: WayFacts): Hop[] {
  const { network, port, uplink } = way;
  if (network?.kind === 'switch') return [];
  if (network?.kind === 'bridge' && !filtered.includes(4))
    return [hop('FORWARD', 'iptables', 'bridged packets do not go through it')];
  const dropping = verdictOf(facts, way);
  if (uplink === undefined || dropping === undefined) return [];
  const [first] = dropping;
  const fault =
    first === undefined
      ? undefined
      : `The chain ${first} drops packets between ${port} and ${uplink}. Run "xen-network refilter", and look at the rules there ("iptables -vnL FORWARD", "nft list ruleset").`;
  const state = first === undefined ? 'lets its packets pass' : `${listed(dropping)} drops its packets`;
  return [hop('FORWARD', 'iptables', state, { counter: 'rules', fault })];
}

/** @returns undefined where it is unknown by which devices packets go */
function verdictOf(facts: DoctorFacts, { network, port, uplink, addresses }: Way): string[] | undefined {
  if (network === undefined || uplink === undefined) return undefined;
  const isBridged = network.kind === 'bridge';
  const [from, to] = isBridged ? [network.name, network.name] : [port, uplink];
  const { chains } = facts.firewall;
  const [address] = addresses.filter(({ family }) => family === 4);
  const ports = isBridged ? { from: port, to: uplink } : undefined;
  const back = isBridged ? { from: uplink, to: port } : undefined;
  return [
    ...new Set([
      ...droppingChains(chains, { from, to, ports, source: address, destination: undefined, state: 'new' }),
      ...droppingChains(chains, {
        from: to,
        to: from,
        ports: back,
        source: undefined,
        destination: address,
        state: 'established',
      }),
    ]),
  ];
}

function networkHop({ network, port, card }: Way, { learned }: WayFacts): Hop {
  const name = network?.name ?? '';
  if (network?.kind !== 'bridge') return hop(name, 'switch', network?.isUp === true ? 'up' : 'down');
  const isKnown = learned.includes(card.mac.toLowerCase());
  const others = learned.filter((mac) => mac !== card.mac.toLowerCase());
  const state = [
    network.isUp ? 'up' : 'down',
    isKnown ? `knows ${card.mac} by ${port}` : `has not heard ${card.mac} by ${port} lately`,
    ...(others.length === 0 ? [] : [`and ${listed(others)}`]),
  ];
  return hop(name, 'bridge', state.join(', '));
}

function endHops({ end, network }: Way): Hop[] {
  if (end === undefined || network?.dom0 === undefined) return [];
  const { addresses } = network.dom0;
  return [
    hop(end, "dom0's end", addresses.length === 0 ? 'no address' : addresses.join(' '), { counter: 'host' }),
  ];
}

function routeHop(facts: DoctorFacts, { port, addresses, card }: Way): Hop {
  const routes = facts.state.routes.filter(({ hops }) => hops.some(({ dev }) => dev === port));
  const wanted = addresses.map(({ address }) => address);
  const there = routes.filter(({ destination }) => wanted.some((address) => destination.startsWith(address)));
  const forwards = facts.settings['net/ipv4/ip_forward'] === '1' ? 'ip_forward on' : 'ip_forward off';
  const state =
    there.length === 0
      ? 'no route to it'
      : `${there.map(({ destination }) => `${destination} dev ${port}`).join(', ')}; ${forwards}`;
  const fault =
    there.length === 0
      ? `There is no route to ${card.guest} by ${port}. Run "xen-network reattach ${card.guest}".`
      : undefined;
  return hop('route', 'dom0 routes', state, { fault });
}

function natHops(facts: DoctorFacts, { uplink, card, port }: Way, { offloads }: WayFacts): Hop[] {
  if (!/vif-nat/.test(card.script ?? '') || uplink === undefined) return [];
  const isThere = facts.firewall.chains.some(({ hook: at, rules }) => {
    const isRewrite = ({ verdict }: (typeof rules)[number]) =>
      'target' in verdict && /^(MASQUERADE|SNAT)$/.test(verdict.target);
    return at === 'postrouting' && rules.some(isRewrite);
  });
  const state = [
    isThere ? `connections leave by ${uplink} with its address` : 'nothing masquerades',
    ...(offloads ? [`${port} leaves checksums to others`] : []),
  ];
  return [hop('NAT', 'masquerading', state.join(', '), { counter: 'masqueraded' })];
}

function uplinkHops({ state }: DoctorFacts, { uplink, network }: Way): Hop[] {
  if (uplink === undefined) return [];
  const link = state.links.find(({ name }) => name === uplink);
  const isUp = link?.flags.has('UP') === true;
  const hasCarrier = link?.flags.has('LOWER_UP') === true;
  const words = `${isUp ? 'up' : 'down'}, ${hasCarrier ? 'carrier' : 'no carrier'}, MTU ${link?.mtu ?? 0}`;
  // What started a bridge is looked at by the rules about networks.
  const fault =
    !hasCarrier && network?.startedBy !== 'network-bridge'
      ? `${uplink} ${isUp ? 'has no carrier: look at the cable and the switch port' : `is down: run "ip link set dev ${uplink} up"`}.`
      : undefined;
  return [hop(uplink, 'card', words, { counter: 'uplink', fault })];
}

function gatewayHops({ gateway, end, uplink }: Way, { neighbour }: WayFacts): Hop[] {
  if (gateway === undefined) return [];
  const device = end ?? uplink ?? '';
  const state =
    neighbour === undefined
      ? 'nobody has asked for it lately'
      : `${neighbour.mac ?? 'no MAC address'}, ${neighbour.state}`;
  const isLost = neighbour !== undefined && /FAILED|INCOMPLETE/.test(neighbour.state);
  const fault = isLost
    ? `The gateway ${gateway} does not answer on ${device}: nothing leads outside. Look whether it runs, and at the cable between.`
    : undefined;
  return [hop(gateway, 'gateway', state, { fault })];
}
