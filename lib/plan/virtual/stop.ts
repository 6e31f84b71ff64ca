import type { KeptBridge } from '../../observe/bridge/kept.ts';
import type { Settings } from '../../observe/bridge/uplink.ts';
import type { VirtualRecord } from '../../observe/forward/virtual.ts';
import type { HostState, Link } from '../../observe/host/host.ts';
import { settingPath } from '../../record/paths.ts';
import { addressCommand, ownAddresses, ownRoutes, routeCommand } from '../addressing/addressing.ts';
import { differingSettings } from '../addressing/target.ts';
import { lostPorts, optionsAgain, portAgain } from '../bridge/kept.ts';
import { set } from '../bridge/parts.ts';
import { ip, type Plan, type Step, setting } from '../step.ts';
import { bridgeMac } from './start.ts';

/** The facts that a stop needs about the bridge. */
export interface VirtualStopFacts {
  readonly state: HostState;
  readonly record: VirtualRecord;
  /** The bridge; undefined when somebody removed it. */
  readonly link: Link | undefined;
  readonly settings: Settings;
  readonly defaults: Settings;
  /** The state of bridge and ports, to restore it on a bridge that is made again. */
  readonly kept: KeptBridge;
}

const families = [4, 6] as const;

/**
 * The bridge of a start, under its name or under another one that somebody gave it: its MAC address is its own.
 * @param state the host
 * @param record the bridge's record
 */
export function virtualBridge({ links }: HostState, { bridge, madeBridge }: VirtualRecord): Link | undefined {
  const named = links.find(({ name }) => name === bridge);
  if (named !== undefined || !madeBridge) return named;
  return links.find(({ kind, mac }) => kind === 'bridge' && mac === bridgeMac(bridge));
}

/**
 * The steps that remove what network-virtual start made (docs/contract.md, "network-virtual"). Guests that are still on
 * the bridge lose their network.
 * @param facts the host and the bridge's record
 */
export function planVirtualStop(facts: VirtualStopFacts): Plan {
  const { record, link, state } = facts;
  if (link === undefined) return { steps: [], warnings: [] };
  if (!record.madeBridge) return { steps: removalSteps(facts, link), warnings: [] };
  if (link.mac !== bridgeMac(record.bridge))
    return {
      steps: [],
      warnings: [
        `The bridge ${link.name} was made anew since the start (its MAC address is another), and is left alone. Remove it by "ip link del ${link.name}" where nobody needs it.`,
      ],
    };
  const { name } = link;
  const guests = state.links.filter((port) => port.master === name);
  const removal: Step = {
    do: ip('link', 'del', 'dev', name),
    undo: [
      ip(
        'link',
        'add',
        'name',
        name,
        'address',
        link.mac,
        'type',
        'bridge',
        'stp_state',
        '0',
        'forward_delay',
        '0',
      ),
      set(name, 'mtu', `${link.mtu}`),
      ...[...differingSettings(facts.settings, facts.defaults)].map(([key, value]) =>
        setting(settingPath(key, name), value),
      ),
      ...optionsAgain(facts.kept, name),
      ...portAgain(facts.kept, name),
      ...families.flatMap((family) =>
        ownAddresses(link, family).map((address) => addressCommand('add', address, name, name)),
      ),
      ...(link.flags.has('UP') ? [set(name, 'up')] : []),
      ...families.flatMap((family) =>
        ownRoutes(state, name, family).map((route) => routeCommand('append', route, name, name)),
      ),
    ],
    why: `take away the bridge ${name}`,
    device: { name, index: link.index, gone: [name] },
    ports: lostPorts(facts.kept, guests, name),
  };
  const warnings =
    guests.length === 0
      ? []
      : [
          `${name} goes away with ${guests.map((guest) => guest.name).join(', ')} still on it: these have no network until it is started again or they join another bridge.`,
        ];
  return { steps: [removal], warnings };
}

/** For a bridge that existed before start: only its addresses and routes go. */
function removalSteps({ record, state }: VirtualStopFacts, link: Link): Step[] {
  const { name } = link;
  const device = { name, index: link.index };
  const networks = record.networks.filter((network) =>
    state.routes.some(
      ({ destination, hops }) =>
        hops.some(({ dev }) => dev === name) &&
        network.replace(/\/(32|128)$/, '') === destination.replace(/\/(32|128)$/, ''),
    ),
  );
  const addresses = link.addresses.filter(({ local, length }) =>
    record.addresses.includes(`${local}/${length}`),
  );
  const removed = (why: string, words: readonly string[], undo: Step['undo']): Step => ({
    do: ip(...words),
    undo,
    why: `${why} ${name}`,
    device,
  });
  return [
    ...networks.map((network) =>
      removed(
        `take the route to ${network} off`,
        ['route', 'del', network, 'dev', name],
        [ip('route', 'add', network, 'dev', name)],
      ),
    ),
    ...addresses.map((address) =>
      removed(
        `take ${address.local} off`,
        ['address', 'del', `${address.local}/${address.length}`, 'dev', name],
        [addressCommand('add', address, name, name)],
      ),
    ),
    ...(record.wasUp || !link.flags.has('UP')
      ? []
      : [{ do: set(name, 'down'), undo: [set(name, 'up')], why: `take down ${name}, as it was`, device }]),
  ];
}
