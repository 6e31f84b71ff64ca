import { settingPath } from '../contract/paths.ts';
import type { Link } from '../observe/host.ts';
import type { StartFacts } from './bridge-start.ts';
import { PORT_MAC } from './device.ts';
import { DISABLE_IPV6 } from './handover.ts';
import { type Command, type DeviceMark, ip, type Step, setting } from './step.ts';

const ARP_IGNORE = 'net/ipv4/conf/arp_ignore';

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
  const steps: Step[] = [];
  if (there === undefined)
    steps.push({
      do: ip('link', 'add', 'name', bridge, 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0'),
      undo: [ip('link', 'del', 'dev', bridge)],
      why: `make the bridge ${bridge}`,
      device,
    });
  if (layout.top === layout.bridge)
    steps.push({
      do: set(bridge, 'address', link.mac),
      undo: there === undefined ? [] : [set(bridge, 'address', there.mac)],
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
export function makePair({ layout, link }: StartFacts): Step[] {
  const { veth, vif0 } = layout;
  const mtu = ['mtu', `${link.mtu}`];
  return [
    {
      do: ip('link', 'add', 'name', veth, ...mtu, 'type', 'veth', 'peer', 'name', vif0, ...mtu),
      undo: [ip('link', 'del', 'dev', veth)],
      why: `make the pair ${veth} and ${vif0}`,
      device: NEW(veth),
    },
    fresh(veth, `give the MAC address of ${layout.netdev} to ${veth}`, set(veth, 'address', link.mac)),
    fresh(vif0, `give the MAC address of a port to ${vif0}`, set(vif0, 'address', PORT_MAC)),
  ];
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
