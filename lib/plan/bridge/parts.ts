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
 * @param words the words that follow the name
 */
export function set(name: string, ...words: string[]): Command {
  return ip('link', 'set', 'dev', name, ...words);
}

/**
 * Makes the bridge, or adapts the one that exists.
 * @param facts the host, the card and the names of the parts
 * @param bridge the bridge's name at that time
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
 * Makes the veth pair in place of the old netloop devices: vethN will be the host's device, vif0.N a port of the
 * bridge.
 * @param facts the host, the card and the names of the parts
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
 * Makes a bridge without STP. It gets its MAC address when it is made: otherwise udev replaces the random one of the
 * kernel (systemd.link(5), MACAddressPolicy=), maybe only after the right one was set.
 * @param name the bridge's name
 * @param mac its MAC address, octets with colons
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
 * Makes a veth pair, whose ends get their MAC addresses at once for the same reason.
 * @param one one end
 * @param other its peer
 * @param mtu the MTU of both, in bytes
 */
export function newPair(one: PairEnd, other: PairEnd, mtu: number): Command {
  const end = ({ name, mac }: PairEnd) => ['name', name, 'address', mac, 'mtu', `${mtu}`];
  return ip('link', 'add', ...end(one), 'type', 'veth', 'peer', ...end(other));
}

/** A step on a new device needs no undo: the device goes. */
function fresh(name: string, why: string, command: Command): Step {
  return { do: command, undo: [], why, device: NEW(name) };
}

/**
 * Stops the bridge and its port from acting for the host. With IPv6 a router's advertisement would give them addresses,
 * and the host more routes. With ARP the bridge would answer for all of the host's addresses, as every device does
 * where rp_filter is off (kernel's ip-sysctl, arp_ignore), with a MAC address that no device has after stop.
 * @param facts the host, the card and the names of the parts
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
    // Redirects on these devices must not change the host's routes; IPv6 is off on them.
    ...[...made, layout.vif0].map((name) =>
      fresh(name, `ignore redirects on ${name}`, setting(settingPath(ACCEPT_REDIRECTS, name), '0')),
    ),
    ...(settings.has(DISABLE_IPV6) ? [...made, layout.vif0].map(mute) : []),
  ];
}

/**
 * Brings up the bridge and the host's own port.
 * @param facts the host, the card and the names of the parts
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
 * The existing bridge, where it is to be used.
 * @param facts the host and the names of the parts
 */
export function bridgeThere({ state, layout }: StartFacts): Link | undefined {
  return layout.topology === 'rename' ? undefined : state.links.find((link) => link.name === layout.bridge);
}
