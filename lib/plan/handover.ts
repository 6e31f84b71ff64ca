import { settingPath } from '../contract/paths.ts';
import type { HostState, Link } from '../observe/host.ts';
import type { Settings } from '../observe/uplink.ts';
import { addressCommand, ownAddresses, ownRoutes, routeCommand, ruleCommand, rulesOf } from './addressing.ts';
import { type Command, type DeviceMark, ip, type Step, setting } from './step.ts';

const ACCEPT_DAD = 'net/ipv6/conf/accept_dad';
const DISABLE_IPV6 = 'net/ipv6/conf/disable_ipv6';

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
  const { link, state, settings, mark } = giver;
  const { name } = link;
  const steps: Step[] = [];
  const ipv6 = settings.get(DISABLE_IPV6);
  if (ipv6 === '0') {
    const dad = settings.get(ACCEPT_DAD) ?? '1';
    const path = settingPath(DISABLE_IPV6, name);
    const back = [
      setting(settingPath(ACCEPT_DAD, name), '0'),
      setting(path, '0'),
      ...restore(state, link, 6),
      setting(settingPath(ACCEPT_DAD, name), dad),
    ];
    steps.push({
      do: setting(path, '1'),
      undo: back,
      why: `take the IPv6 addresses off ${name}`,
      device: mark,
    });
  }
  steps.push({
    do: ip('address', 'flush', 'dev', name),
    undo: restore(state, link, 4),
    why: `take the IPv4 addresses off ${name}`,
    device: mark,
  });
  // With its last address a device loses its routes, but it may have routes and no address at all.
  if (!link.addresses.some((address) => address.family === 4)) {
    for (const route of ownRoutes(state, name, 4).reverse()) {
      steps.push({
        do: routeCommand('del', route, name, name),
        undo: [],
        why: `take the route to ${route.destination} off ${name}`,
        device: mark,
      });
    }
  }
  return steps;
}

function restore(state: HostState, link: Link, family: 4 | 6): Command[] {
  const { name } = link;
  return [
    ...ownAddresses(link, family).map((address) => addressCommand('add', address, name, name)),
    ...ownRoutes(state, name, family).map((route) => routeCommand('add', route, name, name)),
  ];
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
  const fresh = mark.index === 'new';
  const dad = giver.settings.get(ACCEPT_DAD);
  const on = (why: string, command: Command, undo: readonly Command[]): Step => ({
    do: command,
    undo: fresh ? [] : undo,
    why: `${why} ${name}`,
    device: mark,
  });
  const dadStep = (value: string): Step[] =>
    dad === undefined
      ? []
      : [
          on('set accept_dad of', setting(settingPath(ACCEPT_DAD, name), value), [
            setting(settingPath(ACCEPT_DAD, name), dad),
          ]),
        ];
  return [
    ...settingSteps(giver, taker, on),
    ...dadStep('0'),
    ...(taker.flags.has('UP')
      ? []
      : [
          {
            ...on('bring up', ip('link', 'set', 'dev', name, 'up'), []),
            undo: [ip('link', 'set', 'dev', name, 'down')],
          },
        ]),
    ...addressSteps(giver, taker, skipDynamic, on),
    ...dadStep(dad ?? '1'),
    ...flagSteps(giver, taker, on),
    ...ruleSteps(giver, name),
  ];
}

type On = (why: string, command: Command, undo: readonly Command[]) => Step;

function settingSteps(giver: Giver, taker: Taker, on: On): Step[] {
  // The secret makes the kernel choose the address mode; it must be there before that mode can be set.
  const keys = [...giver.settings.keys()].filter((key) => key !== ACCEPT_DAD);
  const first = keys.filter((key) => key.endsWith('/stable_secret'));
  return [...first, ...keys.filter((key) => !first.includes(key))].flatMap((key) => {
    const value = giver.settings.get(key) ?? '';
    const old = taker.settings.get(key);
    const path = settingPath(key, taker.name);
    if (value === old) return [];
    return [on(`set ${key} of`, setting(path, value), old === undefined ? [] : [setting(path, old)])];
  });
}

function addressSteps(giver: Giver, taker: Taker, skipDynamic: boolean, on: On): Step[] {
  const { state, link } = giver;
  const { name } = taker;
  const families = [4, 6] as const;
  return families.flatMap((family) => [
    ...ownAddresses(link, family)
      .filter((address) => !(skipDynamic && address.flags.has('dynamic')))
      .map((address) =>
        on(`put ${address.local}/${address.length} on`, addressCommand('replace', address, name, link.name), [
          ip('address', 'del', `${address.local}/${address.length}`, 'dev', name),
        ]),
      ),
    ...ownRoutes(state, link.name, family).map((route) =>
      on(`lead the route to ${route.destination} through`, routeCommand('replace', route, link.name, name), [
        routeCommand('del', route, link.name, name),
      ]),
    ),
  ]);
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
