import { holdsFor } from '../../filter/packet.ts';
import { namesDevice } from '../../filter/walk.ts';
import type { Address } from '../../observe/host/host.ts';
import { isWithin, type Prefix, parsePrefix } from '../../request/addresses.ts';
import { listed } from '../../text.ts';
import { type Complaint, complaint, type Rule, uplinkOf } from './complaint.ts';
import type { DoctorFacts } from './facts.ts';

/** A guest whose packets this host routes. */
interface RoutedGuest {
  readonly guest: string;
  readonly device: string;
  /** What is routed to it. */
  readonly prefixes: readonly Prefix[];
  /** Whether its packets leave with this host's address. */
  readonly isNat: boolean;
  readonly mtu: number;
}

function routedGuests({ guests, records, state }: DoctorFacts): RoutedGuest[] {
  return guests.flatMap(({ guest, script, devices }) =>
    devices.flatMap(({ device, name }) => {
      const assigned = records.get(device)?.assigned ?? [];
      const routes = assigned.flatMap((item) => (item.kind === 'route' ? [item.prefix] : []));
      if (routes.length === 0) return [];
      const mtu = state.links.find((link) => link.name === name)?.mtu ?? 0;
      const prefixes = routes.flatMap((text) => parsePrefix(text) ?? []);
      return [{ guest, device: name, prefixes, isNat: /vif-nat/.test(script ?? ''), mtu }];
    }),
  );
}

const notForwarding: Rule = (facts) => {
  const guests = routedGuests(facts);
  const off = (family: 4 | 6, path: string, start: string) => {
    const names = guests
      .filter(({ prefixes }) => prefixes.some((prefix) => prefix.family === family))
      .map(({ guest }) => guest);
    if (names.length === 0 || facts.settings[path] !== '0') return [];
    return [
      complaint(
        'network',
        'error',
        `${path.replaceAll('/', '.')} is 0, and ${listed([...new Set(names)])} ${names.length === 1 ? 'is' : 'are'} routed to: this host passes none of their packets on. Run ${start}.`,
      ),
    ];
  };
  return [
    ...off(4, 'net/ipv4/ip_forward', '"network-route start", or "network-nat start"'),
    ...off(
      6,
      'net/ipv6/conf/all/forwarding',
      '"network-route start ipv6=yes", or "network-nat start ipv6=yes"',
    ),
  ];
};

const routeGone: Rule = (facts) =>
  routedGuests(facts).flatMap(({ guest, device, prefixes }) =>
    prefixes
      .filter((prefix) => !isRoutedTo(facts, device, prefix))
      .map((prefix) =>
        complaint(
          'guests',
          'error',
          `There is no route to ${text(prefix)} by ${device} any more: nothing reaches ${guest}. Run "xen-network reattach ${guest}".`,
          guest,
        ),
      ),
  );

function isRoutedTo({ state }: DoctorFacts, device: string, prefix: Prefix): boolean {
  return state.routes.some(({ destination, hops, family }) => {
    const found = family === prefix.family ? parsePrefix(destination) : undefined;
    const isSame = found?.address === prefix.address && found.length === prefix.length;
    return isSame && hops.some(({ dev }) => dev === device);
  });
}

/** Neighbours of the card look for the guest on their own network, so this host has to answer for it. */
const notAnswering: Rule = (facts) => {
  const { device } = uplinkOf(facts.state);
  if (device === undefined) return [];
  const { here } = split(facts, device);
  const four = here.filter(({ family }) => family === 4);
  const isOff = facts.settings[`net/ipv4/conf/${device}/proxy_arp`] === '0';
  const six = here.filter(
    (prefix) =>
      prefix.family === 6 &&
      prefix.length === 128 &&
      !facts.state.neighbours.some(({ dev, address, words }) => {
        return dev === device && address === prefix.address && words.includes('proxy');
      }),
  );
  return [
    ...(four.length > 0 && isOff
      ? [
          complaint(
            'network',
            'error',
            `proxy_arp of ${device} is 0, and ${listed(four.map(text))} ${four.length === 1 ? 'is' : 'are'} routed to guests though the network of ${device} has ${four.length === 1 ? 'it' : 'them'}: its machines get no answer when they look for the guest. Run "network-route start", or "sysctl -w net.ipv4.conf.${device}.proxy_arp=1".`,
          ),
        ]
      : []),
    ...(six.length === 0
      ? []
      : [
          complaint(
            'network',
            'error',
            `Nobody answers on ${device} for ${listed(six.map(text))}, which ${six.length === 1 ? 'is' : 'are'} routed to guests: the network cannot find them. Run "xen-network reattach --all".`,
          ),
        ]),
  ];
};

/** Guests' addresses in and outside of the networks of a device, those behind NAT left out. */
function split(facts: DoctorFacts, device: string): { readonly here: Prefix[]; readonly beyond: Prefix[] } {
  const { addresses = [] } = facts.state.links.find(({ name }) => name === device) ?? {};
  const networks = addresses.flatMap(({ local, length, scope }: Address) =>
    scope === 'link' ? [] : (parsePrefix(`${local}/${length}`) ?? []),
  );
  const all = routedGuests(facts)
    .filter(({ isNat }) => !isNat)
    .flatMap(({ prefixes }) => prefixes);
  const isHere = (prefix: Prefix) => networks.some((network) => isWithin(network, prefix));
  return { here: all.filter(isHere), beyond: all.filter((prefix) => !isHere(prefix)) };
}

const returnRoute: Rule = (facts) => {
  const { device, gateway } = uplinkOf(facts.state);
  if (device === undefined || gateway === undefined || isMasqueraded(facts, device)) return [];
  const own = facts.state.links.find(({ name }) => name === device)?.addresses ?? [];
  const four = own.find(({ family, scope }) => family === 4 && scope !== 'link')?.local;
  const virtual = facts.virtuals
    .filter(({ form }) => form === 'routed')
    .flatMap(({ networks }) => networks.flatMap((network) => parsePrefix(network) ?? []));
  const wanted = [...split(facts, device).beyond, ...virtual].filter(({ family }) => family === 4);
  if (wanted.length === 0 || four === undefined) return [];
  const commands = wanted.map((prefix) => `"ip route add ${text(prefix)} via ${four}"`);
  return [
    complaint(
      'network',
      'note',
      `The gateway ${gateway} needs a route to ${listed(wanted.map(text))} by this host, or no answer comes back to the guests; this host cannot see whether it has one. On a gateway with Linux: ${commands.join(', ')}.`,
    ),
  ];
};

/** Whether packets leave by a device with this host's address: those of a source, or some at all. */
function isMasqueraded({ firewall: { chains } }: DoctorFacts, device: string, source?: Prefix): boolean {
  return chains
    .filter(({ hook }) => hook === 'postrouting')
    .flatMap(({ rules }) => rules)
    .some(({ verdict, devices, others }) => {
      const isFor = devices.every((match) => namesDevice(match, device) !== match.negated);
      const holds = source === undefined || holdsFor(source)(others);
      return isFor && holds && 'target' in verdict && /^(MASQUERADE|SNAT)$/.test(verdict.target);
    });
}

const notMasqueraded: Rule = (facts) => {
  const { device } = uplinkOf(facts.state);
  const bare = routedGuests(facts).filter(
    ({ isNat, prefixes }) =>
      isNat &&
      device !== undefined &&
      prefixes.some((prefix) => prefix.family === 4 && !isMasqueraded(facts, device, prefix)),
  );
  if (bare.length === 0) return [];
  return [
    complaint(
      'network',
      'error',
      `${listed(bare.map(({ guest }) => guest))} ${bare.length === 1 ? 'is' : 'are'} behind NAT (vif-nat), and nothing masquerades their packets: they leave by ${device} with addresses that nobody can answer. Run "network-nat start".`,
    ),
  ];
};

/** Only where packets with a wrong checksum were seen: a card that computes checksums is no fault by itself. */
const badChecksums: Rule = ({ badChecksums: seen, offloading }) => {
  const count = Object.values(seen).reduce((sum, each) => sum + each, 0);
  if (count === 0 || offloading.length === 0) return [];
  const [first] = offloading;
  return [
    complaint(
      'network',
      'warning',
      `This host received ${count} packets with a wrong checksum, and guests behind NAT leave checksums to their cards: connection tracking passes such packets on untranslated, and DHCP clients ignore them (ping works, TCP or DHCP does not). Turn that off for ${listed(offloading)} ("ethtool -K ${first} tx off"; in the guest "ethtool -K eth0 tx off").`,
    ),
  ];
};

const largerThanUplink: Rule = (facts) => {
  const { device } = uplinkOf(facts.state);
  const link = facts.state.links.find(({ name }) => name === device);
  if (link === undefined) return [];
  return routedGuests(facts)
    .filter(({ mtu }) => mtu > link.mtu)
    .map(
      ({ guest, device: own, mtu }): Complaint =>
        complaint(
          'guests',
          'warning',
          `${own} of ${guest} has the MTU ${mtu}, and ${device}, by which its packets leave, ${link.mtu}: where ICMP is filtered, large transfers hang. Set mtu=${link.mtu} for the guest, or raise that of ${device}.`,
          guest,
        ),
    );
};

function text({ family, address, length }: Prefix): string {
  return length === (family === 4 ? 32 : 128) ? address : `${address}/${length}`;
}

/** What is wrong with guests that are routed to. */
export const ROUTED_RULES: readonly Rule[] = [
  notForwarding,
  routeGone,
  notAnswering,
  notMasqueraded,
  badChecksums,
  largerThanUplink,
  returnRoute,
];
