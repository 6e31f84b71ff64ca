import { bridgeRecordPath } from '../contract/paths.ts';
import type { HostState, Link } from '../observe/host.ts';
import type { BridgeRecord, Settings } from '../observe/uplink.ts';
import { type ForwardFacts, inherit, planAntispoofStop } from './antispoof.ts';
import { type Giver, release, type Taker, takeOver } from './handover.ts';
import { type Command, type DeviceMark, ip, type Plan, record, type Step } from './step.ts';
import { PORT_MAC } from './vif-bridge.ts';

/** All that a stop has to know. */
export interface StopFacts {
  readonly state: HostState;
  readonly record: BridgeRecord;
  /** The card, a port now. */
  readonly nic: Link;
  /** The device that holds the host's addresses now. */
  readonly top: Link;
  readonly bridge: Link;
  readonly topSettings: Settings;
  readonly nicSettings: Settings;
  /** Set when start was told antispoof=yes. */
  readonly forward: ForwardFacts | undefined;
  /** Records of the host's other bridges. */
  readonly others: readonly BridgeRecord[];
}

/**
 * Gives a card its name, addresses and routes back and takes its bridge away (contract 4, network-bridge stop). What
 * the administrator changed meanwhile moves along. Guests that are still on the bridge lose their network.
 * @param facts the host and what start left
 */
export function planStop(facts: StopFacts): Plan {
  const { record: saved, top, bridge, state } = facts;
  const giver: Giver = { state, link: top, settings: facts.topSettings, mark: markOf(top, top.name) };
  const guests = state.links.filter(
    (link) => link.master === bridge.name && link.index !== facts.nic.index && link.name !== top.peer,
  );
  const path = bridgeRecordPath(saved.bridge);
  const steps: Step[] = [
    ...antispoofSteps(facts),
    ...(saved.ifupdown ? [ifupdown('ifdown', 'ifup', saved.netdev, giver.mark)] : []),
    ...release(giver),
    ...topAway(facts),
    ...nicBack(facts),
    ...(saved.ifupdown
      ? [ifupdown('ifup', 'ifdown', saved.netdev, { name: saved.netdev, index: saved.nicIndex })]
      : []),
    ...takeOver(giver, takerOf(facts), saved.ifupdown),
    ...(saved.wasUp ? [] : [downAgain(facts)]),
    ...removal(facts, guests),
    {
      do: record(path, undefined),
      undo: [record(path, JSON.stringify(saved))],
      why: `forget the bridge ${saved.bridge}`,
    },
  ];
  const names = guests.map((link) => link.name).join(', ');
  return {
    steps,
    warnings:
      guests.length === 0 || !saved.madeBridge
        ? []
        : [
            `${saved.bridge} goes away with ${names} still on it: these have no network until they join another bridge.`,
          ],
  };
}

/** A device that was there before stop and that an undo may have to make again, with another index. */
function markOf(link: Link, name: string): DeviceMark {
  return { name, index: link.index, orNew: true };
}

function set(name: string, ...words: string[]): Command {
  return ip('link', 'set', 'dev', name, ...words);
}

function antispoofSteps({ record: saved, forward, others }: StopFacts): Step[] {
  if (saved.antispoof === undefined || forward === undefined) return [];
  const staying = others.find((other) => other.antispoof !== undefined);
  const steps = planAntispoofStop(saved.antispoof, forward, staying === undefined);
  if (staying?.antispoof === undefined) return steps;
  const path = bridgeRecordPath(staying.bridge);
  const heir = JSON.stringify({ ...staying, antispoof: inherit(staying.antispoof, saved.antispoof) });
  return [
    ...steps,
    {
      do: record(path, heir),
      undo: [record(path, JSON.stringify(staying))],
      why: `let ${staying.bridge} remember how the filter was`,
    },
  ];
}

function ifupdown(word: string, undo: string, netdev: string, device: DeviceMark): Step {
  return {
    do: { tool: 'run', argv: [word, netdev] },
    undo: [{ tool: 'run', argv: [undo, netdev] }],
    why: `run ${word} for ${netdev}`,
    device,
  };
}

/** Frees the name that the card is to take back. */
function topAway({ record: saved, top }: StopFacts): Step[] {
  if (saved.topology === 'plain') return [];
  const spare = spareName(saved, top);
  return [
    {
      do: set(top.name, 'down'),
      undo: top.flags.has('UP') ? [set(top.name, 'up')] : [],
      why: `take down ${top.name}`,
      device: markOf(top, top.name),
    },
    ...(spare === top.name
      ? []
      : [
          {
            do: set(top.name, 'name', spare),
            undo: [set(spare, 'name', top.name)],
            why: `rename ${top.name} to ${spare}`,
            device: markOf(top, spare),
          },
        ]),
  ];
}

/** vethN again for the classic pair; a bridge that has the card's name steps aside until it goes. */
function spareName(saved: BridgeRecord, top: Link): string {
  if (saved.topology === 'classic') return `veth${top.peer?.replace(/^vif0\./, '') ?? '0'}`;
  return top.name === saved.netdev ? `b${saved.netdev}` : top.name;
}

function nicBack({ record: saved, nic, top, bridge }: StopFacts): Step[] {
  const step = (name: string, why: string, command: Command, undo: readonly Command[]): Step => ({
    do: command,
    undo,
    why,
    device: { name, index: nic.index },
  });
  const { netdev } = saved;
  const master = saved.topology === 'rename' ? spareName(saved, top) : bridge.name;
  const steps = [
    step(nic.name, `release ${nic.name} from ${master}`, set(nic.name, 'nomaster'), [
      set(nic.name, 'master', master),
    ]),
  ];
  if (saved.topology === 'plain') return steps;
  steps.push(
    step(nic.name, `take down ${nic.name}`, set(nic.name, 'down'), [set(nic.name, 'up')]),
    step(netdev, `rename ${nic.name} to ${netdev}`, set(nic.name, 'name', netdev), [
      set(netdev, 'name', nic.name),
    ]),
  );
  if (nic.mac !== saved.mac)
    steps.push(
      step(netdev, `give its MAC address back to ${netdev}`, set(netdev, 'address', saved.mac), [
        set(netdev, 'address', nic.mac),
      ]),
    );
  if (saved.hadArp && nic.flags.has('NOARP'))
    steps.push(
      step(netdev, `switch ARP on again on ${netdev}`, set(netdev, 'arp', 'on'), [set(netdev, 'arp', 'off')]),
    );
  return steps;
}

function takerOf({ record: saved, nic, nicSettings }: StopFacts): Taker {
  const flags = new Set(nic.flags);
  if (saved.topology !== 'plain') flags.delete('UP');
  return { name: saved.netdev, settings: nicSettings, mark: { name: saved.netdev, index: nic.index }, flags };
}

function downAgain({ record: saved, nic }: StopFacts): Step {
  return {
    do: set(saved.netdev, 'down'),
    undo: [set(saved.netdev, 'up')],
    why: `take down ${saved.netdev}, as it was`,
    device: { name: saved.netdev, index: nic.index },
  };
}

/** The last steps, since what they remove can be made again only roughly. */
function removal(facts: StopFacts, guests: readonly Link[]): Step[] {
  const { record: saved, top, bridge } = facts;
  const steps: Step[] = [];
  if (saved.topology === 'classic' && top.peer !== undefined) {
    const veth = spareName(saved, top);
    const again = [
      ip(
        'link',
        'add',
        'name',
        veth,
        'mtu',
        `${top.mtu}`,
        'type',
        'veth',
        'peer',
        'name',
        top.peer,
        'mtu',
        `${top.mtu}`,
      ),
      set(veth, 'address', top.mac),
      set(top.peer, 'address', PORT_MAC),
      set(top.peer, 'master', bridge.name),
      set(top.peer, 'up'),
    ];
    steps.push({
      do: ip('link', 'del', 'dev', veth),
      undo: again,
      why: `take away the pair ${veth} and ${top.peer}`,
    });
  }
  if (!saved.madeBridge) return steps;
  const name = saved.topology === 'rename' ? spareName(saved, top) : bridge.name;
  const again = [
    ip('link', 'add', 'name', name, 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0'),
    set(name, 'address', bridge.mac),
    set(name, 'mtu', `${bridge.mtu}`),
    ...(saved.topology === 'rename' ? [] : [set(name, 'up')]),
    ...guests.map((guest) => set(guest.name, 'master', name)),
  ];
  steps.push({ do: ip('link', 'del', 'dev', name), undo: again, why: `take away the bridge ${name}` });
  return steps;
}
