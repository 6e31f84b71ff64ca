import type { Link } from '../../observe/host/host.ts';
import { settingPath } from '../../record/paths.ts';
import { DISABLE_IPV6 } from '../addressing/source.ts';
import { type Command, type DeviceMark, ip, type Step, setting } from '../step.ts';
import { PORT_MAC } from '../vif/device.ts';
import type { StartFacts } from './start-facts.ts';

const ARP_IGNORE = 'net/ipv4/conf/arp_ignore';
const ACCEPT_REDIRECTS = 'net/ipv4/conf/accept_redirects';

/** The mark of a device that the run makes. */
export const NEW = (name: string): DeviceMark => ({ name, index: 'new' });

/**
 * `ip link set` for a device.
 * @param name the device's name
 * @param words what is set
 */
export function set(name: string, ...words: string[]): Command {
  return ip('link', 'set', 'dev', name, ...words);
}

/**
 * Makes the bridge, or fits the one that is there.
 * @param facts the host, the card and the names to be used
 * @param bridge its name, for the time being
 */
export function makeBridge(facts: StartFacts, bridge: string): Step[] {
  const { layout, link } = facts;
  const there = bridgeThere(facts);
  const device = there === undefined ? NEW(bridge) : { name: bridge, index: there.index };
  const isHosts = layout.top === layout.bridge;
  const steps: Step[] = [];
  if (there === undefined)
    steps.push({
      do: newBridge(bridge, isHosts ? link.mac : PORT_MAC),
      undo: [ip('link', 'del', 'dev', bridge)],
      why: `make the bridge ${bridge}`,
      device,
    });
  else if (isHosts)
    steps.push({
      do: set(bridge, 'address', link.mac),
      undo: [set(bridge, 'address', there.mac)],
      why: `give the MAC address of the card to ${bridge}`,
      device,
    });
  if (there?.mtu !== link.mtu)
    steps.push({
      do: set(bridge, 'mtu', `${link.mtu}`),
      undo: there === undefined ? [] : [set(bridge, 'mtu', `${there.mtu}`)],
      why: `set the MTU ${link.mtu} of ${bridge}`,
      device,
    });
  return steps;
}

/**
 * Makes the veth pair that stands in for the old netloop: vethN is to be the host's, vif0.N a port of the bridge.
 * @param facts the host, the card and the names to be used
 */
export function makePair({ layout, link }: StartFacts): Step {
  const { veth, vif0 } = layout;
  return {
    do: newPair({ name: veth, mac: link.mac }, { name: vif0, mac: PORT_MAC }, link.mtu),
    undo: [ip('link', 'del', 'dev', veth)],
    why: `make the pair ${veth} and ${vif0}`,
    device: NEW(veth),
  };
}

/**
 * A new bridge without STP. It has its address from the start: one that the kernel has made up, udev replaces by another
 * (systemd.link(5), MACAddressPolicy=), and may be later with that than whoever sets the right one.
 * @param name of the bridge
 * @param mac its address, octets with colons
 */
export function newBridge(name: string, mac: string): Command {
  const kind = ['type', 'bridge', 'stp_state', '0', 'forward_delay', '0'];
  return ip('link', 'add', 'name', name, 'address', mac, ...kind);
}

/** One end of a veth pair. */
interface PairEnd {
  readonly name: string;
  readonly mac: string;
}

/**
 * A new veth pair, with its addresses from the start as a new bridge has its own.
 * @param one an end
 * @param other its peer
 * @param mtu of both, in bytes
 */
export function newPair(one: PairEnd, other: PairEnd, mtu: number): Command {
  const end = ({ name, mac }: PairEnd) => ['name', name, 'address', mac, 'mtu', `${mtu}`];
  return ip('link', 'add', ...end(one), 'type', 'veth', 'peer', ...end(other));
}

/** What happens to a new device goes with it. */
function fresh(name: string, why: string, command: Command): Step {
  return { do: command, undo: [], why, device: NEW(name) };
}

/**
 * Keeps the bridge and its port from speaking for the host. With IPv6 a router's advertisement would give them addresses
 * and the host more routes. By ARP the bridge would answer for all of the host's addresses, as any device does where
 * rp_filter is off (kernel's ip-sysctl, arp_ignore), with a MAC address that nobody has any more after stop.
 * @param facts the host, the card and the names to be used
 */
export function silence(facts: StartFacts): Step[] {
  const { layout, settings } = facts;
  const made = bridgeThere(facts) === undefined ? [layout.bridge] : [];
  const mute = (name: string): Step =>
    fresh(name, `switch IPv6 off on ${name}`, setting(settingPath(DISABLE_IPV6, name), '1'));
  return [
    ...made.map((name) =>
      fresh(
        name,
        `let ${name} answer ARP for its own addresses only`,
        setting(settingPath(ARP_IGNORE, name), '1'),
      ),
    ),
    // Nobody is to tell the host another way by them; IPv6 is off.
    ...[...made, layout.vif0].map((name) =>
      fresh(name, `let ${name} hear no redirects`, setting(settingPath(ACCEPT_REDIRECTS, name), '0')),
    ),
    ...(settings.has(DISABLE_IPV6) ? [...made, layout.vif0].map(mute) : []),
  ];
}

/**
 * Brings up the bridge with the host's own port.
 * @param facts the host, the card and the names to be used
 */
export function raise(facts: StartFacts): Step[] {
  const { bridge, vif0 } = facts.layout;
  const there = bridgeThere(facts);
  const device = there === undefined ? NEW(bridge) : { name: bridge, index: there.index };
  const up: Step = { do: set(bridge, 'up'), undo: [set(bridge, 'down')], why: `bring up ${bridge}`, device };
  return [
    ...(there?.flags.has('UP') ? [] : [up]),
    fresh(vif0, `enslave ${vif0} to ${bridge}`, set(vif0, 'master', bridge)),
    fresh(vif0, `bring up ${vif0}`, set(vif0, 'up')),
  ];
}

/**
 * The bridge, where it is there already and is to be used.
 * @param facts the host and the names to be used
 */
export function bridgeThere({ state, layout }: StartFacts): Link | undefined {
  return layout.topology === 'rename' ? undefined : state.links.find((link) => link.name === layout.bridge);
}
