import { bridgeRecordPath } from '../contract/paths.ts';
import type { HostState, Link } from '../observe/host.ts';
import type { BridgeRecord, Settings } from '../observe/uplink.ts';
import { type ForwardFacts, planAntispoof } from './antispoof.ts';
import type { BridgeLayout } from './bridge-layout.ts';
import { type Giver, release, type Taker, takeOver } from './handover.ts';
import { type DeviceMark, ip, type Plan, record, type Step } from './step.ts';
import { PORT_MAC } from './vif-bridge.ts';

/** All that a start has to know. */
export interface StartFacts {
  readonly state: HostState;
  readonly link: Link;
  readonly layout: BridgeLayout;
  /** The card's kernel settings. */
  readonly settings: Settings;
  /** Those of the device that takes its place: an existing bridge's, else the kernel's defaults. */
  readonly topSettings: Settings;
  /** ifupdown brought the card up. */
  readonly ifupdown: boolean;
  /** Set when antispoof=yes. */
  readonly forward: ForwardFacts | undefined;
}

/**
 * Bridges a card (contract 4, network-bridge start). All that can be made beforehand is made beforehand, so that the
 * host is off the network only while its addresses move.
 * @param facts the host, the card and the names to be used
 */
export function planStart(facts: StartFacts): Plan {
  const { layout, link } = facts;
  const steps = [
    ...(layout.topology === 'rename' ? [] : bridgeSteps(facts)),
    ...(layout.topology === 'classic' ? vethSteps(facts) : []),
    ...detach(facts),
    ...(layout.topology === 'classic' ? [renameVeth(layout)] : []),
    ...(layout.topology === 'rename' ? bridgeSteps(facts) : []),
    ...portSteps(facts),
    ...ifupSteps(facts),
    ...takeOver(giverOf(facts), takerOf(facts), usesIfupdown(facts)),
  ];
  const ports = [layout.nic, ...(layout.topology === 'classic' ? [layout.vif0] : [])];
  const antispoof = facts.forward === undefined ? undefined : planAntispoof(facts.forward, ports);
  const saved: BridgeRecord = {
    topology: layout.topology,
    bridge: layout.bridge,
    netdev: layout.netdev,
    nic: layout.nic,
    nicIndex: link.index,
    madeBridge: !hasBridge(facts),
    wasUp: link.flags.has('UP'),
    hadArp: !link.flags.has('NOARP'),
    mac: link.mac,
    ifupdown: usesIfupdown(facts),
    ...(antispoof === undefined ? {} : { antispoof: antispoof.record }),
  };
  const path = bridgeRecordPath(layout.bridge);
  steps.push(...(antispoof?.steps ?? []), {
    do: record(path, JSON.stringify(saved)),
    undo: [record(path, undefined)],
    why: `remember how ${layout.netdev} was`,
  });
  return { steps, warnings: [] };
}

function hasBridge({ state, layout }: StartFacts): boolean {
  return layout.topology !== 'rename' && state.links.some((link) => link.name === layout.bridge);
}

/** ifup knows interfaces by name: it can serve only where the name goes on holding the addresses. */
function usesIfupdown({ ifupdown, layout }: StartFacts): boolean {
  return ifupdown && layout.top === layout.netdev;
}

const NEW = (name: string): DeviceMark => ({ name, index: 'new' });

function bridgeSteps(facts: StartFacts): Step[] {
  const { layout, link, state } = facts;
  const { bridge } = layout;
  const there = state.links.find((other) => other.name === bridge);
  const device = hasBridge(facts) && there !== undefined ? { name: bridge, index: there.index } : NEW(bridge);
  const set = (why: string, words: string[], undo: string[]): Step => ({
    do: ip('link', 'set', 'dev', bridge, ...words),
    undo: device.index === 'new' ? [] : [ip('link', 'set', 'dev', bridge, ...undo)],
    why: `${why} ${bridge}`,
    device,
  });
  const steps: Step[] = [];
  if (device.index === 'new') {
    const make = ip('link', 'add', 'name', bridge, 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0');
    steps.push({
      do: make,
      undo: [ip('link', 'del', 'dev', bridge)],
      why: `make the bridge ${bridge}`,
      device,
    });
  }
  if (layout.top === bridge)
    steps.push(
      set('give the MAC address of the card to', ['address', link.mac], ['address', there?.mac ?? link.mac]),
    );
  if (there === undefined || there.mtu !== link.mtu || device.index === 'new') {
    steps.push(
      set(`set the MTU ${link.mtu} of`, ['mtu', `${link.mtu}`], ['mtu', `${there?.mtu ?? link.mtu}`]),
    );
  }
  if (layout.top !== bridge && !(hasBridge(facts) && there?.flags.has('UP')))
    steps.push(set('bring up', ['up'], ['down']));
  return steps;
}

/** The veth pair that stands in for the old netloop: vethN is to be the host's, vif0.N is a port of the bridge. */
function vethSteps({ layout, link }: StartFacts): Step[] {
  const { veth, vif0, bridge } = layout;
  const set = (name: string, why: string, ...words: string[]): Step => ({
    do: ip('link', 'set', 'dev', name, ...words),
    undo: [],
    why,
    device: NEW(name),
  });
  return [
    {
      do: ip(
        'link',
        'add',
        'name',
        veth,
        'mtu',
        `${link.mtu}`,
        'type',
        'veth',
        'peer',
        'name',
        vif0,
        'mtu',
        `${link.mtu}`,
      ),
      undo: [ip('link', 'del', 'dev', veth)],
      why: `make the pair ${veth} and ${vif0}`,
      device: NEW(veth),
    },
    set(veth, `give the MAC address of ${layout.netdev} to ${veth}`, 'address', link.mac),
    set(vif0, `give the MAC address of a port to ${vif0}`, 'address', PORT_MAC),
    set(vif0, `enslave ${vif0} to ${bridge}`, 'master', bridge),
    set(vif0, `bring up ${vif0}`, 'up'),
  ];
}

/** From here on the host is off the network: addresses away, and but for plain the card gets another name. */
function detach(facts: StartFacts): Step[] {
  const { layout, link } = facts;
  const { netdev, nic, topology } = layout;
  const step = (name: string, why: string, words: string[], undo: string[]): Step => ({
    do: ip('link', 'set', 'dev', ...words),
    undo: undo.length === 0 ? [] : [ip('link', 'set', 'dev', ...undo)],
    why,
    device: { name, index: link.index },
  });
  const steps: Step[] = [];
  if (usesIfupdown(facts)) {
    steps.push({
      do: { tool: 'run', argv: ['ifdown', netdev] },
      undo: [{ tool: 'run', argv: ['ifup', netdev] }],
      why: `let ifupdown take down ${netdev}`,
      device: { name: netdev, index: link.index },
    });
  }
  steps.push(...release(giverOf(facts)));
  if (topology === 'plain') return steps;
  steps.push(
    step(netdev, `take down ${netdev}`, [netdev, 'down'], link.flags.has('UP') ? [netdev, 'up'] : []),
    step(nic, `rename ${netdev} to ${nic}`, [netdev, 'name', nic], [nic, 'name', netdev]),
  );
  if (topology === 'rename') return steps;
  steps.push(
    step(
      nic,
      `give the MAC address of a port to ${nic}`,
      [nic, 'address', PORT_MAC],
      [nic, 'address', link.mac],
    ),
  );
  if (!link.flags.has('NOARP'))
    steps.push(step(nic, `switch ARP off on ${nic}`, [nic, 'arp', 'off'], [nic, 'arp', 'on']));
  return steps;
}

function renameVeth({ veth, netdev }: BridgeLayout): Step {
  return {
    do: ip('link', 'set', 'dev', veth, 'name', netdev),
    undo: [ip('link', 'set', 'dev', netdev, 'name', veth)],
    why: `let ${veth} take the name ${netdev}`,
    device: NEW(netdev),
  };
}

function portSteps({ layout, link }: StartFacts): Step[] {
  const { nic, bridge } = layout;
  const device = { name: nic, index: link.index };
  const set = (...words: string[]) => ip('link', 'set', 'dev', nic, ...words);
  const wasUp = layout.topology === 'plain' && link.flags.has('UP');
  return [
    { do: set('master', bridge), undo: [set('nomaster')], why: `enslave ${nic} to ${bridge}`, device },
    { do: set('up'), undo: wasUp ? [] : [set('down')], why: `bring up ${nic}`, device },
  ];
}

function ifupSteps(facts: StartFacts): Step[] {
  if (!usesIfupdown(facts)) return [];
  const { netdev } = facts.layout;
  return [
    {
      do: { tool: 'run', argv: ['ifup', netdev] },
      undo: [{ tool: 'run', argv: ['ifdown', netdev] }],
      why: `let ifupdown bring up ${netdev}`,
      device: NEW(netdev),
    },
  ];
}

function giverOf({ state, link, settings }: StartFacts): Giver {
  return { state, link, settings, mark: { name: link.name, index: link.index } };
}

function takerOf(facts: StartFacts): Taker {
  const { layout, state, topSettings } = facts;
  const there = hasBridge(facts)
    ? state.links.find((link) => link.name === layout.top && layout.top !== layout.netdev)
    : undefined;
  const mark: DeviceMark = there === undefined ? NEW(layout.top) : { name: layout.top, index: there.index };
  return { name: layout.top, settings: topSettings, mark, flags: there?.flags ?? new Set() };
}
