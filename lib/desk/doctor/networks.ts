import { listed } from '../../text.ts';
import { complaint, type Rule } from './complaint.ts';

/** From so many guests on the compatible rules in FORWARD cost each packet noticeably (docs/speed.md). */
const MANY_GUESTS = 200;

const takenApart: Rule = ({ damages }) =>
  damages.map((text) =>
    complaint('network', 'error', `${text} Run "xen-network recover", or stop and start the network.`),
  );

const downBridges: Rule = (_, networks) =>
  networks
    .filter(
      ({ isUp, kind, startedBy, guests }) =>
        !isUp && kind === 'bridge' && (startedBy ?? guests[0]) !== undefined,
    )
    .map(({ name }) =>
      complaint('network', 'error', `The bridge ${name} is down. Run "ip link set dev ${name} up".`),
    );

const cardsWithoutCarrier: Rule = (_, networks) =>
  networks.flatMap(({ name, cards, startedBy }) =>
    cards
      .filter(({ hasCarrier }) => !hasCarrier && startedBy !== undefined)
      .map(({ device }) =>
        complaint(
          'network',
          'error',
          `${device}, the card of ${name}, has no carrier: guests reach nobody outside. Look at the cable and the switch port.`,
        ),
      ),
  );

const differingMtu: Rule = (facts, networks) =>
  networks
    .filter(({ kind }) => kind === 'bridge')
    .flatMap(({ name, mtu, cards, guests }) => {
      const link = (device: string) => facts.state.links.find((one) => one.name === device);
      const smaller = cards.filter(({ device }) => (link(device)?.mtu ?? 0) < (mtu ?? 0));
      const odd = guests.filter((port) => mtu !== undefined && port.mtu > mtu);
      return [
        ...smaller.map(({ device }) =>
          complaint(
            'network',
            'warning',
            `${device} has the MTU ${link(device)?.mtu}, its bridge ${name} ${mtu}: large packets are lost there. Set both alike.`,
          ),
        ),
        ...odd.map(({ device, guest, mtu: own }) =>
          complaint(
            'guests',
            'warning',
            `${device} of ${guest} has the MTU ${own}, its bridge ${name} ${mtu}: large packets are lost. Set mtu= of the guest, or the bridge's.`,
            guest,
          ),
        ),
      ];
    });

const notForwarding: Rule = ({ settings }, networks) => {
  const guests = networks.filter(({ kind }) => kind === 'routed').flatMap((network) => network.guests);
  if (guests.length === 0 || settings['net/ipv4/ip_forward'] !== '0') return [];
  return [
    complaint(
      'network',
      'error',
      `net.ipv4.ip_forward is 0, and ${listed(guests.map(({ guest }) => guest))} are routed to. Run "network-route start", or "network-nat start".`,
    ),
  ];
};

const notMasqueraded: Rule = (facts) => {
  const nat = facts.guests.filter(
    ({ script, devices }) => /vif-nat/.test(script ?? '') && devices.length > 0,
  );
  if (nat.length === 0 || facts.masqueraded.length > 0) return [];
  return [
    complaint(
      'network',
      'error',
      `${listed(nat.map(({ guest }) => guest))} are behind NAT (vif-nat), and nothing masquerades their packets. Run "network-nat start".`,
    ),
  ];
};

const manyGuests: Rule = (_, networks) =>
  networks
    .filter(({ guests, antispoof }) => antispoof !== 'strict' && guests.length >= MANY_GUESTS)
    .map(({ name, guests }) =>
      complaint(
        'network',
        'warning',
        `${name} has ${guests.length} guests, whose rules in FORWARD each packet passes one by one. Start it with antispoof=strict, whose cost does not grow.`,
      ),
    );

const servers: Rule = ({ idleServers }) => idleServers.map((text) => complaint('network', 'error', text));

const noSwitch: Rule = ({ guests, switchRuns }) => {
  const wanting = guests.filter(({ script }) => /openvswitch/.test(script ?? ''));
  if (switchRuns || wanting.length === 0) return [];
  return [
    complaint(
      'network',
      'error',
      `Open vSwitch does not run, and ${listed(wanting.map(({ guest }) => guest))} are attached to it. Start openvswitch-switch.`,
    ),
  ];
};

/** What is wrong with bridges, cards and what serves them. */
export const NETWORK_RULES: readonly Rule[] = [
  takenApart,
  downBridges,
  cardsWithoutCarrier,
  differingMtu,
  notForwarding,
  notMasqueraded,
  manyGuests,
  servers,
  noSwitch,
];
