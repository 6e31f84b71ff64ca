import type { Settings } from '../../observe/bridge/uplink.ts';
import type { Address, HostState, Link, Route } from '../../observe/host/host.ts';
import { settingPath } from '../../record/paths.ts';
import type { Family } from '../../request/addresses.ts';
import { type Command, type DeviceMark, ip, type Step, setting } from '../step.ts';
import {
  addressCommand,
  addressRemoval,
  neighbourCommand,
  routeCommand,
  routeCreation,
  ruleCommand,
  rulesOf,
} from './addressing.ts';
import { nexthopCommand, ownNexthops } from './nexthops.ts';
import {
  ACCEPT_DAD,
  type AddressSource,
  addressesOf,
  DISABLE_IPV6,
  FAMILIES,
  isDetected,
  isShared,
  neighboursOf,
  objectRoutes,
  plainRoutes,
  undetected,
} from './source.ts';

/** The target: the device to which addresses and routes move. */
export interface AddressTarget {
  readonly name: string;
  /** Its present kernel settings. */
  readonly settings: Settings;
  /** 'new' when the run makes the device: its removal then undoes everything on it. */
  readonly mark: DeviceMark;
  readonly flags: ReadonlySet<string>;
}

/**
 * Copies the kernel settings of the source to the target, before that comes up. There are many, so this happens while
 * the host still has its network.
 * @param source the source
 * @param target the target, under its present name
 */
export function copySettings(source: AddressSource, target: AddressTarget): Step[] {
  const on = changeOf(target);
  return [
    ...settingSteps(source, target, on, (key) => key !== ACCEPT_DAD && key !== DISABLE_IPV6),
    ...dadSteps(source, target, on, '0', target.settings.get(ACCEPT_DAD) ?? '1'),
  ];
}

/**
 * Switches IPv6 on for the target if it is on for the source, before another program configures the target: otherwise
 * ifup fails on an "inet6" stanza.
 * @param source the source
 * @param target the target, under its present name
 */
export function unmute(source: AddressSource, target: AddressTarget): Step[] {
  return settingSteps(source, target, changeOf(target), (key) => key === DISABLE_IPV6);
}

/**
 * Gives the target everything else of the source: it comes up and gets addresses, routes, rules and flags. Duplicate
 * address detection, which `copySettings` switched off, stays off meanwhile: the addresses were this host's a moment ago, and
 * during detection the host would not answer on them.
 * @param source the source
 * @param target the target
 * @param skipDynamic leaves out the addresses that a DHCP client will add itself
 */
export function takeOver(source: AddressSource, target: AddressTarget, skipDynamic: boolean): Step[] {
  const on = changeOf(target);
  // The undo also takes down a new device, since not every kernel renames a device that is up.
  const up: Step = {
    ...on('bring up', ip('link', 'set', 'dev', target.name, 'up'), []),
    undo: [ip('link', 'set', 'dev', target.name, 'down')],
  };
  return [
    ...settingSteps(source, target, on, (key) => key === DISABLE_IPV6),
    ...(target.flags.has('UP') ? [] : [up]),
    ...FAMILIES.flatMap((family) => addressSteps(source, target, family, skipDynamic, on)),
    ...nexthopSteps(source, target, on),
    ...dadSteps(source, target, on, source.settings.get(ACCEPT_DAD) ?? '0', '0'),
    ...flagSteps(source, target, on),
    ...ruleSteps(source, target.name),
    ...tokenSteps(source, on, target.name),
  ];
}

type On = (why: string, command: Command, undo: readonly Command[]) => Step;

function changeOf({ name, mark }: AddressTarget): On {
  return (why, command, undo) => ({
    do: command,
    undo: mark.index === 'new' ? [] : undo,
    why: `${why} ${name}`,
    device: mark,
  });
}

function dadSteps(
  source: AddressSource,
  { name }: AddressTarget,
  on: On,
  value: string,
  before: string,
): Step[] {
  if (!source.settings.has(ACCEPT_DAD)) return [];
  const path = settingPath(ACCEPT_DAD, name);
  return [on('set accept_dad of', setting(path, value), [setting(path, before)])];
}

function settingSteps(
  source: AddressSource,
  target: AddressTarget,
  on: On,
  which: (key: string) => boolean,
): Step[] {
  return [...differingSettings(source.settings, target.settings)]
    .filter(([key]) => which(key))
    .map(([key, value]) => {
      const path = settingPath(key, target.name);
      const old = target.settings.get(key);
      return on(`set ${key} of`, setting(path, value), old === undefined ? [] : [setting(path, old)]);
    });
}

function addressSteps(
  source: AddressSource,
  target: AddressTarget,
  family: Family,
  skipDynamic: boolean,
  on: On,
): Step[] {
  const { link } = source;
  const { name } = target;
  const addresses = addressesOf(source, family, skipDynamic);
  const left = addressesOf(source, family, false).filter((address) => !addresses.includes(address));
  const text = (address: Address) => `${address.local}/${address.length}`;
  return [
    ...addresses.map((address) =>
      on(`put ${text(address)} on`, addressCommand('replace', undetected(address), name, link.name), [
        addressRemoval(address, name),
      ]),
    ),
    ...plainRoutes(source, family)
      .filter((route) => !left.some((address) => address.local === route.source))
      .map((route) => routeStep(source, target, route, on)),
    ...addresses
      .filter(isDetected)
      .map((address) =>
        on(`clear nodad of ${text(address)} on`, addressCommand('change', address, name, link.name), []),
      ),
    // The kernel deletes permanent neighbours together with the device's addresses.
    ...neighboursOf(source, family).map((neighbour) =>
      on(`add the neighbour ${neighbour.address} on`, neighbourCommand(neighbour, name), []),
    ),
  ];
}

/** After the addresses of both families, because a group may contain nexthops of both. */
function nexthopSteps(source: AddressSource, target: AddressTarget, on: On): Step[] {
  const { state, link } = source;
  return [
    ...ownNexthops(state, link.name).map((nexthop) =>
      on(`add the next hop ${nexthop.id} on`, nexthopCommand(nexthop, link.name, target.name), [
        ip('nexthop', 'del', 'id', `${nexthop.id}`),
      ]),
    ),
    ...objectRoutes(source).map((route) => routeStep(source, target, route, on)),
  ];
}

function routeStep({ state, link }: AddressSource, { name }: AddressTarget, route: Route, on: On): Step {
  const make = routeCreation(state, link.name, route, name);
  const undo = [routeCommand('del', route, link.name, name)];
  const step = on(`lead the route to ${route.destination} through`, make, undo);
  // A router's advertisement or ifup may have made the route already. A route through several devices does not go with
  // a new device, so it keeps its undo.
  return { ...step, mayExist: true, undo: isShared(route, link.name) ? undo : step.undo };
}

function flagSteps(source: AddressSource, target: AddressTarget, on: On): Step[] {
  const flags = [
    ['PROMISC', 'promisc'],
    ['ALLMULTI', 'allmulticast'],
  ] as const;
  return flags.flatMap(([flag, word]) => {
    const [wanted, has] = [source.link.flags.has(flag), target.flags.has(flag)];
    if (wanted === has) return [];
    const set = (value: boolean) => ip('link', 'set', 'dev', target.name, word, value ? 'on' : 'off');
    return [on(`set ${word} of`, set(wanted), [set(has)])];
  });
}

/**
 * Sets the identifier for addresses from router advertisements. The kernel only accepts one where the device accepts
 * advertisements (net/ipv6/addrconf.c). Last, since no packet waits for it.
 */
function tokenSteps({ link, settings }: AddressSource, on: On, name: string): Step[] {
  const heard = settings.get('net/ipv6/conf/accept_ra');
  const forwards = settings.get('net/ipv6/conf/forwarding') !== '0';
  if (link.token === undefined || !(heard === '2' || (heard === '1' && !forwards))) return [];
  const set = (token: string) => ip('token', 'set', token, 'dev', name);
  return [on(`set the IPv6 token ${link.token} of`, set(link.token), [set('::')])];
}

/** The administrator's alias of a device, and its group, which firewall rules may match. */
export type Labels = Pick<Link, 'alias' | 'group'>;

/**
 * The labels of a device.
 * @param link the device
 */
export function labelsOf({ alias, group }: Labels): Labels {
  return { ...(alias === undefined ? {} : { alias }), ...(group === undefined ? {} : { group }) };
}

const NO_LABELS = { alias: '', group: '0' } as const;

/**
 * Sets the alias and the group of a device. They belong to the host's side of a card.
 * @param now the present labels
 * @param wanted the new labels
 * @param device the device
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

/** Rules match devices by name, so they change only where the name changes. */
function ruleSteps({ state, link, former }: AddressSource, name: string): Step[] {
  const names = [link.name, ...(former === undefined ? [] : [former])].filter((old) => old !== name);
  return names.flatMap((old) => moveRules(state, old, name));
}

function moveRules(state: HostState, old: string, name: string): Step[] {
  return rulesOf(state, old).flatMap((rule) => [
    {
      do: ruleCommand('add', rule, old, name),
      undo: [ruleCommand('del', rule, old, name)],
      why: `add rule ${rule.priority} for ${name}`,
    },
    {
      do: ruleCommand('del', rule, old, old),
      undo: [ruleCommand('add', rule, old, old)],
      why: `delete rule ${rule.priority}, which names ${old}`,
    },
  ]);
}

/**
 * The settings in which a device differs from the wanted ones, in an order in which they can be written.
 * @param wanted the wanted settings
 * @param there the present settings
 */
export function differingSettings(wanted: Settings, there: Settings): Map<string, string> {
  const differing = [...wanted].filter(([key, value]) => there.get(key) !== value);
  // The secret changes the address mode, and must exist before that mode can be set.
  const isSecret = ([key]: readonly [string, string]) => key.endsWith('/stable_secret');
  return new Map([...differing.filter(isSecret), ...differing.filter((entry) => !isSecret(entry))]);
}
