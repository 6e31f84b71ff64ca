import type { Family } from '../contract/addresses.ts';
import { settingPath } from '../contract/paths.ts';
import type { Address, HostState, Link, Neighbour, Route } from '../observe/host.ts';
import type { Settings } from '../observe/uplink.ts';
import {
  addressCommand,
  addressRemoval,
  creation,
  neighbourCommand,
  ownAddresses,
  ownRoutes,
  routeCommand,
  ruleCommand,
  rulesOf,
} from './addressing.ts';
import { type Command, type DeviceMark, ip, type Step, setting } from './step.ts';

const ACCEPT_DAD = 'net/ipv6/conf/accept_dad';
const ADDR_GEN_MODE = 'net/ipv6/conf/addr_gen_mode';
export const DISABLE_IPV6 = 'net/ipv6/conf/disable_ipv6';
const FAMILIES: readonly Family[] = [4, 6];

/** A device that gives its place in the network away. */
export interface Giver {
  readonly state: HostState;
  readonly link: Link;
  /** Its kernel settings. */
  readonly settings: Settings;
  /** How undo knows it. */
  readonly mark: DeviceMark;
}

/** A device that takes it over. */
export interface Taker {
  readonly name: string;
  /** The settings that it has now. */
  readonly settings: Settings;
  /** 'new' when the run makes it: taking it away again takes everything on it away too. */
  readonly mark: DeviceMark;
  readonly flags: ReadonlySet<string>;
}

/**
 * Takes all addresses and routes off a device. IPv6 is switched off on it, which removes its addresses too, and whose
 * undo makes the kernel give it a link-local address again.
 * @param giver the device, under its present name
 */
export function release(giver: Giver): Step[] {
  const { link, settings, mark } = giver;
  const { name } = link;
  const steps = lingeringRoutes(giver);
  steps.push({
    // The prefix stands for the family. IPv6 goes last, so that undo has it back before IPv4 routes through it.
    do: ip('address', 'flush', 'dev', name, 'to', '0.0.0.0/0'),
    undo: restore(giver, 4),
    why: `take the IPv4 addresses off ${name}`,
    device: mark,
  });
  if (settings.get(DISABLE_IPV6) === '0') {
    const dad = (value: string) => setting(settingPath(ACCEPT_DAD, name), value);
    const off = (value: string) => setting(settingPath(DISABLE_IPV6, name), value);
    steps.push({
      do: off('1'),
      undo: [dad('0'), off('0'), ...restore(giver, 6), dad(settings.get(ACCEPT_DAD) ?? '1')],
      why: `take the IPv6 addresses off ${name}`,
      device: mark,
    });
  }
  return steps;
}

/**
 * As `release`, for a device that ifupdown brought up: ifdown lets a DHCP client go, and ifup takes it back.
 * @param giver the device, under its present name
 */
export function releaseByIfupdown(giver: Giver): Step[] {
  const { link, mark } = giver;
  const { name } = link;
  const [restore6, restore4] = ([6, 4] as const).map((family) => restore(giver, family, true));
  const up = link.flags.has('UP') ? [ip('link', 'set', 'dev', name, 'up')] : [];
  return [
    {
      do: { tool: 'run', argv: ['ifdown', name] },
      undo: [{ tool: 'run', argv: ['ifup', name] }, ...up, ...(restore6 ?? []), ...(restore4 ?? [])],
      why: `let ifupdown take down ${name}`,
      device: mark,
    },
    // What is left; addresses come back with the undo above, since ifup stumbles over those that are there.
    ...release(giver).map((step) => ({
      ...step,
      undo: step.undo.filter(({ tool }) => tool === 'write'),
    })),
  ];
}

/** With its last address a device loses its routes, but for those that lead through another device as well. */
function lingeringRoutes({ state, link, mark }: Giver): Step[] {
  const { name } = link;
  const hasIpv4 = link.addresses.some((address) => address.family === 4);
  const lingers = (route: Route) => isShared(route, name) || (route.family === 4 && !hasIpv4);
  return FAMILIES.flatMap((family) => ownRoutes(state, name, family).filter(lingers).reverse()).map(
    (route) => ({
      do: routeCommand('del', route, name, name),
      undo: [routeCommand(creation(state, name, route), route, name, name)],
      why: `take the route to ${route.destination} off ${name}`,
      device: mark,
    }),
  );
}

/** Whether a route leads through another device too. */
function isShared({ hops }: Route, dev: string): boolean {
  return hops.some((hop) => hop.dev !== dev);
}

/** What puts back a device's addresses and routes; run with failures let pass, since some may be there still. */
function restore(giver: Giver, family: Family, skipDynamic = false): Command[] {
  const { state, link } = giver;
  const addresses = addressesOf(giver, family, skipDynamic);
  return [
    ...addresses.map((address) => addressCommand('add', undetected(address), link.name, link.name)),
    ...ownRoutes(state, link.name, family).map((route) =>
      routeCommand(creation(state, link.name, route), route, link.name, link.name),
    ),
    ...addresses.filter(isDetected).map((address) => addressCommand('change', address, link.name, link.name)),
    ...neighboursOf(giver, family).map((neighbour) => neighbourCommand(neighbour, link.name)),
  ];
}

function neighboursOf({ state, link }: Giver, family: Family): Neighbour[] {
  return state.neighbours.filter((other) => other.family === family && other.dev === link.name);
}

/**
 * A device's addresses, in the order in which they have to come so that they are listed as before: the kernel lists
 * the newest IPv6 address first, and the order decides which one is the source of what the host sends.
 */
function addressesOf({ link, settings }: Giver, family: Family, skipDynamic: boolean): Address[] {
  const eui64 = (settings.get(ADDR_GEN_MODE) ?? '0') === '0';
  const addresses = ownAddresses(link, family, eui64).filter(
    ({ flags }) => !(skipDynamic && flags.has('dynamic')),
  );
  return family === 4 ? addresses : addresses.reverse();
}

/** Whether the kernel looks for duplicates of the address before it uses it. */
function isDetected(address: Address): boolean {
  return address.family === 6 && !address.flags.has('nodad');
}

/**
 * The same address, to be used at once. While the detection runs, an address can be no route's source, and one with
 * a lifetime dies if there is no carrier yet.
 */
function undetected(address: Address): Address {
  return isDetected(address) ? { ...address, flags: new Set([...address.flags, 'nodad']) } : address;
}

/**
 * Gives a device all that another one had: kernel settings before it comes up, then addresses, routes, rules, flags.
 * Duplicate address detection is left out meanwhile: the addresses were this host's a moment ago, and while it runs
 * the host would be deaf on them.
 * @param giver what it had
 * @param taker who gets it
 * @param skipDynamic leave out what a DHCP client brings by itself
 */
export function takeOver(giver: Giver, taker: Taker, skipDynamic: boolean): Step[] {
  const { name, mark } = taker;
  const dad = giver.settings.get(ACCEPT_DAD);
  const on = (why: string, command: Command, undo: readonly Command[]): Step => ({
    do: command,
    undo: mark.index === 'new' ? [] : undo,
    why: `${why} ${name}`,
    device: mark,
  });
  const dadPath = settingPath(ACCEPT_DAD, name);
  const dadStep = (value: string, before: string): Step[] =>
    dad === undefined ? [] : [on('set accept_dad of', setting(dadPath, value), [setting(dadPath, before)])];
  const before = taker.settings.get(ACCEPT_DAD) ?? '1';
  // Also on a new device, since not every kernel renames one back that is up.
  const up: Step = {
    ...on('bring up', ip('link', 'set', 'dev', name, 'up'), []),
    undo: [ip('link', 'set', 'dev', name, 'down')],
  };
  return [
    ...settingSteps(giver, taker, on),
    ...dadStep('0', before),
    ...(taker.flags.has('UP') ? [] : [up]),
    ...FAMILIES.flatMap((family) => addressSteps(giver, taker, family, skipDynamic, on)),
    ...dadStep(dad ?? before, '0'),
    ...flagSteps(giver, taker, on),
    ...ruleSteps(giver, name),
  ];
}

type On = (why: string, command: Command, undo: readonly Command[]) => Step;

function settingSteps(giver: Giver, taker: Taker, on: On): Step[] {
  return [...differingSettings(giver.settings, taker.settings)]
    .filter(([key]) => key !== ACCEPT_DAD)
    .map(([key, value]) => {
      const path = settingPath(key, taker.name);
      const old = taker.settings.get(key);
      return on(`set ${key} of`, setting(path, value), old === undefined ? [] : [setting(path, old)]);
    });
}

/**
 * Those settings of a device that another one has not, in an order in which they can be written.
 * @param wanted the settings to be reached
 * @param there the settings as they are
 */
export function differingSettings(wanted: Settings, there: Settings): Map<string, string> {
  const differing = [...wanted].filter(([key, value]) => there.get(key) !== value);
  // The secret makes the kernel choose the address mode; it must be there before that mode can be set.
  const isSecret = ([key]: readonly [string, string]) => key.endsWith('/stable_secret');
  return new Map([...differing.filter(isSecret), ...differing.filter((entry) => !isSecret(entry))]);
}

function addressSteps(giver: Giver, taker: Taker, family: Family, skipDynamic: boolean, on: On): Step[] {
  const { state, link } = giver;
  const { name } = taker;
  const addresses = addressesOf(giver, family, skipDynamic);
  const left = addressesOf(giver, family, false).filter((address) => !addresses.includes(address));
  const text = (address: Address) => `${address.local}/${address.length}`;
  return [
    ...addresses.map((address) =>
      on(`put ${text(address)} on`, addressCommand('replace', undetected(address), name, link.name), [
        addressRemoval(address, name),
      ]),
    ),
    ...ownRoutes(state, link.name, family)
      .filter((route) => !left.some((address) => address.local === route.source))
      .map((route) => routeStep(giver, taker, route, on)),
    ...addresses
      .filter(isDetected)
      .map((address) =>
        on(`settle ${text(address)} on`, addressCommand('change', address, name, link.name), []),
      ),
    // The kernel forgets them together with the device's addresses.
    ...neighboursOf(giver, family).map((neighbour) =>
      on(`remember the neighbour ${neighbour.address} on`, neighbourCommand(neighbour, name), []),
    ),
  ];
}

function routeStep({ state, link }: Giver, { name }: Taker, route: Route, on: On): Step {
  const make = routeCommand(creation(state, link.name, route), route, link.name, name);
  const undo = [routeCommand('del', route, link.name, name)];
  const step = on(`lead the route to ${route.destination} through`, make, undo);
  // A router's advertisement or ifup may have been faster. What is shared outlives a new device in part.
  return { ...step, mayExist: true, undo: isShared(route, link.name) ? undo : step.undo };
}

function flagSteps(giver: Giver, taker: Taker, on: On): Step[] {
  const flags = [
    ['PROMISC', 'promisc'],
    ['ALLMULTI', 'allmulticast'],
  ] as const;
  return flags.flatMap(([flag, word]) => {
    const [wanted, has] = [giver.link.flags.has(flag), taker.flags.has(flag)];
    if (wanted === has) return [];
    const set = (value: boolean) => ip('link', 'set', 'dev', taker.name, word, value ? 'on' : 'off');
    return [on(`set ${word} of`, set(wanted), [set(has)])];
  });
}

/** Rules know devices by name: they need a change only where the name changes. */
function ruleSteps(giver: Giver, name: string): Step[] {
  const old = giver.link.name;
  if (old === name) return [];
  return rulesOf(giver.state, old).flatMap((rule) => [
    {
      do: ruleCommand('add', rule, old, name),
      undo: [ruleCommand('del', rule, old, name)],
      why: `let rule ${rule.priority} name ${name}`,
    },
    {
      do: ruleCommand('del', rule, old, old),
      undo: [ruleCommand('add', rule, old, old)],
      why: `drop rule ${rule.priority}, which names ${old}`,
    },
  ]);
}
