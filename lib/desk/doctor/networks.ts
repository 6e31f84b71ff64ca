import type { BridgeRecord } from '../../observe/bridge/uplink.ts';
import type { Link } from '../../observe/host/host.ts';
import { PORT_MAC } from '../../plan/vif/device.ts';
import { listed } from '../../text.ts';
import { complaint, type Rule } from './complaint.ts';
import type { DoctorFacts } from './facts.ts';

/** From so many devices on the compatible rules in FORWARD cost each packet noticeably (docs/speed.md). */
const MANY_DEVICES = 200;

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

/** The parts that a bridge of ours has, beside itself: its card, and in the classic topology dom0's pair. */
function partsOf({ state: { links } }: DoctorFacts, record: BridgeRecord): Link[] {
  const nic = links.find(({ index }) => index === record.nicIndex);
  const top = record.topology === 'classic' ? links.find(({ name }) => name === record.netdev) : undefined;
  const port = links.find(({ name }) => name === top?.peer);
  return [nic, port, top].filter((link) => link !== undefined);
}

const downParts: Rule = (facts) =>
  facts.bridges.flatMap((record) =>
    partsOf(facts, record)
      .filter(({ flags }) => !flags.has('UP'))
      .map(({ name, index }) =>
        complaint(
          'network',
          'error',
          `${name}, ${index === record.nicIndex ? `the card of ${record.bridge}` : `by which dom0 is on ${record.bridge}`}, is down: ${index === record.nicIndex ? 'guests reach nobody outside' : 'dom0 has no network'}. Run "ip link set dev ${name} up".`,
        ),
      ),
  );

/** A bridge takes the lowest MAC address of its ports, so those of ports are the highest that there is. */
const portMacs: Rule = (facts, networks) => {
  const started = new Map(facts.bridges.map((record) => [record.bridge, record]));
  return networks.flatMap(({ name, kind, guests }) => {
    const record = started.get(name);
    if (record === undefined || kind !== 'bridge') return [];
    const parts = record.topology === 'classic' ? partsOf(facts, record).slice(0, 2) : [];
    const wanted = new Set([...parts.map((link) => link.name), ...guests.map(({ device }) => device)]);
    return facts.state.links
      .filter((link) => wanted.has(link.name) && link.mac !== PORT_MAC)
      .map((link) =>
        complaint(
          'network',
          'warning',
          `${link.name}, a port of ${name}, has the MAC address ${link.mac}, and not ${PORT_MAC}: the bridge may take it, or the host may answer for it, and frames go astray. Run "ip link set dev ${link.name} address ${PORT_MAC}".`,
        ),
      );
  });
};

const noAddress: Rule = (facts) =>
  facts.bridges.flatMap(({ bridge, topology, netdev, had }) => {
    const top = topology === 'classic' ? netdev : bridge;
    const link = facts.state.links.find(({ name }) => name === top);
    const isHost = (scope: string) => scope === 'global' || scope === 'site';
    const own = had?.addresses.filter(({ scope }) => isHost(scope)) ?? [];
    const [first] = own;
    if (link === undefined || first === undefined) return [];
    return link.addresses.some(({ scope }) => isHost(scope))
      ? []
      : [
          complaint(
            'network',
            'error',
            `${top}, dom0's end of ${bridge}, has no address; the card had ${first.local}/${first.length} before the start. Run "ip address add ${first.local}/${first.length} dev ${top}", or start the DHCP client on ${top}.`,
          ),
        ];
  });

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
    .flatMap(({ name, mtu, cards, guests, dom0 }) => {
      const link = (device: string) => facts.state.links.find((one) => one.name === device);
      const smaller = cards.filter(({ device }) => (link(device)?.mtu ?? 0) < (mtu ?? 0));
      const odd = guests.filter((port) => mtu !== undefined && port.mtu > mtu);
      const below = cards.flatMap(({ device }) => {
        const { kind, peer = '', mtu: own = 0 } = link(device) ?? {};
        const lower = kind === 'vlan' ? link(peer) : undefined;
        return lower !== undefined && lower.mtu < own ? [{ device, own, lower }] : [];
      });
      const end = dom0 === undefined || dom0.device === name ? undefined : link(dom0.device);
      return [
        ...below.map(({ device, own, lower }) =>
          complaint(
            'network',
            'warning',
            `${device} on ${name} has the MTU ${own}, and ${lower.name}, on which that VLAN is, ${lower.mtu}: large packets are lost there. Run "ip link set dev ${lower.name} mtu ${own}", or make the others smaller.`,
          ),
        ),
        ...(end === undefined || mtu === undefined || end.mtu <= mtu
          ? []
          : [
              complaint(
                'network',
                'warning',
                `${end.name}, dom0's end, has the MTU ${end.mtu}, its bridge ${name} ${mtu}: large packets of dom0 are lost. Run "ip link set dev ${end.name} mtu ${mtu}".`,
              ),
            ]),
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

/** FORWARD is one list for all bridges. A guest of antispoof=strict has no rules there, and neither has one of filter=no. */
const manyGuests: Rule = (_, networks) => {
  const crowded = networks
    .filter(({ kind }) => kind === 'bridge')
    .map(({ name, guests }) => ({ name, count: guests.filter(({ filter }) => filter === 'rules').length }))
    .filter(({ count }) => count > 0);
  const count = crowded.reduce((sum, network) => sum + network.count, 0);
  if (count < MANY_DEVICES) return [];
  return [
    complaint(
      'network',
      'warning',
      `${count} guests' devices on ${listed(crowded.map(({ name }) => name))} have rules in FORWARD, which each packet passes one by one. Start ${crowded.length === 1 ? 'the bridge' : 'the bridges'} with antispoof=strict, whose cost does not grow.`,
    ),
  ];
};

const servers: Rule = ({ servers: sentences }) =>
  sentences.map((text) => complaint('network', 'error', text));

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
  downParts,
  portMacs,
  noAddress,
  cardsWithoutCarrier,
  differingMtu,
  manyGuests,
  servers,
  noSwitch,
];
