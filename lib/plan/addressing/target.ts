import type { Settings } from '../../observe/bridge/uplink.ts';
import type { Address, Link, Route } from '../../observe/host/host.ts';
import { settingPath } from '../../record/paths.ts';
import type { Family } from '../../request/addresses.ts';
import { type Command, type DeviceMark, ip, type Step, setting } from '../step.ts';
import {
  addressCommand,
  addressRemoval,
  creation,
  neighbourCommand,
  routeCommand,
  ruleCommand,
  rulesOf,
} from './addressing.ts';
import { nexthopCommand, ownNexthops } from './nexthops.ts';
import {
  ACCEPT_DAD,
  addressesOf,
  DISABLE_IPV6,
  FAMILIES,
  type Giver,
  isDetected,
  isShared,
  neighboursOf,
  objectRoutes,
  plainRoutes,
  undetected,
} from './source.ts';

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
 * Gives a device the kernel settings that another one has, before it comes up. They are many, and nobody need wait for
 * them: the host can stay on the network meanwhile.
 * @param giver what it had
 * @param taker who gets them, under its present name
 */
export function settle(giver: Giver, taker: Taker): Step[] {
  const on = changeOf(taker);
  return [
    ...settingSteps(giver, taker, on, (key) => key !== ACCEPT_DAD && key !== DISABLE_IPV6),
    ...dadSteps(giver, taker, on, '0', taker.settings.get(ACCEPT_DAD) ?? '1'),
  ];
}

/**
 * Lets a device speak IPv6 if the other one does, for a program that is to configure it: ifup fails on an "inet6" stanza
 * otherwise.
 * @param giver what it had
 * @param taker who gets it, under its present name
 */
export function unmute(giver: Giver, taker: Taker): Step[] {
  return settingSteps(giver, taker, changeOf(taker), (key) => key === DISABLE_IPV6);
}

/**
 * Gives a device all else that another one had: it comes up, then addresses, routes, rules, flags. Duplicate address
 * detection, which `settle` switched off, is left out: the addresses were this host's a moment ago, and while it runs
 * the host would be deaf on them.
 * @param giver what it had
 * @param taker who gets it
 * @param skipDynamic leave out what a DHCP client brings by itself
 */
export function takeOver(giver: Giver, taker: Taker, skipDynamic: boolean): Step[] {
  const on = changeOf(taker);
  // Also on a new device, since not every kernel renames one back that is up.
  const up: Step = {
    ...on('bring up', ip('link', 'set', 'dev', taker.name, 'up'), []),
    undo: [ip('link', 'set', 'dev', taker.name, 'down')],
  };
  return [
    ...settingSteps(giver, taker, on, (key) => key === DISABLE_IPV6),
    ...(taker.flags.has('UP') ? [] : [up]),
    ...FAMILIES.flatMap((family) => addressSteps(giver, taker, family, skipDynamic, on)),
    ...nexthopSteps(giver, taker, on),
    ...dadSteps(giver, taker, on, giver.settings.get(ACCEPT_DAD) ?? '0', '0'),
    ...flagSteps(giver, taker, on),
    ...ruleSteps(giver, taker.name),
    ...tokenSteps(giver, on, taker.name),
  ];
}

type On = (why: string, command: Command, undo: readonly Command[]) => Step;

function changeOf({ name, mark }: Taker): On {
  return (why, command, undo) => ({
    do: command,
    undo: mark.index === 'new' ? [] : undo,
    why: `${why} ${name}`,
    device: mark,
  });
}

function dadSteps(giver: Giver, { name }: Taker, on: On, value: string, before: string): Step[] {
  if (!giver.settings.has(ACCEPT_DAD)) return [];
  const path = settingPath(ACCEPT_DAD, name);
  return [on('set accept_dad of', setting(path, value), [setting(path, before)])];
}

function settingSteps(giver: Giver, taker: Taker, on: On, which: (key: string) => boolean): Step[] {
  return [...differingSettings(giver.settings, taker.settings)]
    .filter(([key]) => which(key))
    .map(([key, value]) => {
      const path = settingPath(key, taker.name);
      const old = taker.settings.get(key);
      return on(`set ${key} of`, setting(path, value), old === undefined ? [] : [setting(path, old)]);
    });
}

function addressSteps(giver: Giver, taker: Taker, family: Family, skipDynamic: boolean, on: On): Step[] {
  const { link } = giver;
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
    ...plainRoutes(giver, family)
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

/** Once both families have their addresses: a group may hold objects of both. */
function nexthopSteps(giver: Giver, taker: Taker, on: On): Step[] {
  const { state, link } = giver;
  return [
    ...ownNexthops(state, link.name).map((nexthop) =>
      on(`have the next hop ${nexthop.id} on`, nexthopCommand(nexthop, link.name, taker.name), [
        ip('nexthop', 'del', 'id', `${nexthop.id}`),
      ]),
    ),
    ...objectRoutes(giver).map((route) => routeStep(giver, taker, route, on)),
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

/**
 * The identifier for what routers advertise. The kernel takes one only where they are heard (net/ipv6/addrconf.c); last,
 * since no packet waits for it.
 */
function tokenSteps({ link, settings }: Giver, on: On, name: string): Step[] {
  const heard = settings.get('net/ipv6/conf/accept_ra');
  const forwards = settings.get('net/ipv6/conf/forwarding') !== '0';
  if (link.token === undefined || !(heard === '2' || (heard === '1' && !forwards))) return [];
  const set = (token: string) => ip('token', 'set', token, 'dev', name);
  return [
    on(`let ${link.token} be what routers' prefixes are completed with on`, set(link.token), [set('::')]),
  ];
}

/** What the administrator calls a device, and the group that rules of a firewall may go by. */
export type Labels = Pick<Link, 'alias' | 'group'>;

/**
 * Those that a device has.
 * @param link the device
 */
export function labelsOf({ alias, group }: Labels): Labels {
  return { ...(alias === undefined ? {} : { alias }), ...(group === undefined ? {} : { group }) };
}

const NO_LABELS = { alias: '', group: '0' } as const;

/**
 * Gives a device the alias and the group that it is to have. They tell of the host's side of a card.
 * @param now what it has
 * @param wanted what it is to have
 * @param device which
 */
export function labelSteps(now: Labels, wanted: Labels, device: DeviceMark): Step[] {
  return (['alias', 'group'] as const).flatMap((word) => {
    const [before, after] = [now, wanted].map((labels) => labels[word] ?? NO_LABELS[word]);
    if (before === undefined || after === undefined || before === after) return [];
    const set = (value: string) => ip('link', 'set', 'dev', device.name, word, value);
    return [
      {
        do: set(after),
        undo: device.index === 'new' ? [] : [set(before)],
        why: `set the ${word} of ${device.name}`,
        device,
      },
    ];
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
