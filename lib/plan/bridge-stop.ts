import { bridgeRecordPath } from '../contract/paths.ts';
import { inherit, planAntispoofStop } from './antispoof.ts';
import { set } from './bridge-parts.ts';
import { leaveBridge, removeBridge } from './bridge-removal.ts';
import { type Giver, release, releaseByIfupdown } from './handover.ts';
import { unheld } from './shared-antispoof.ts';
import { type Command, type Plan, record, type Step } from './step.ts';
import { guestsOf, presentMark, type StopFacts, settingsOf, spareName } from './stop-facts.ts';
import { settle, type Taker, takeOver } from './takeover.ts';

/**
 * Gives a card its name, addresses and routes back and takes its bridge away (contract 4, network-bridge stop). What
 * the administrator changed meanwhile moves along. Guests that are still on the bridge lose their network.
 * @param facts the host and what start left
 */
export function planStop(facts: StopFacts): Plan {
  const { record: saved, top, bridge, nic } = facts;
  const giver: Giver = {
    state: facts.state,
    link: top,
    settings: settingsOf(facts, top.name),
    mark: presentMark(top, top.name),
  };
  const path = bridgeRecordPath(saved.bridge);
  const taker = takerOf(facts, saved.netdev);
  const steps: Step[] = [
    ...antispoofSteps(facts),
    ...(saved.ifupdown
      ? releaseByIfupdown(giver)
      : [...settle(giver, takerOf(facts, nic.name)), ...release(giver)]),
    ...topAway(facts),
    ...nicBack(facts),
    ...(saved.ifupdown ? [ifupStep(facts), ...settle(giver, taker)] : []),
    ...takeOver(giver, taker, saved.ifupdown),
    ...(saved.wasUp ? [] : [downAgain(facts)]),
    ...(saved.madeBridge ? [] : leaveBridge(facts)),
    {
      do: record(path, undefined),
      undo: [record(path, JSON.stringify(saved))],
      why: `forget the bridge ${saved.bridge}`,
    },
    ...(facts.strict ?? []),
    // The last steps, since only at a price can be made again what they remove.
    ...removeBridge(facts),
  ];
  const guests = guestsOf(facts).map((link) => link.name);
  const lost =
    `${bridge.name} goes away with ${guests.join(', ')} still on it: ` +
    'these have no network until they join another bridge.';
  const without = `${guests.join(', ')} on ${bridge.name} cannot reach the network behind ${nic.name} any more.`;
  return { steps, warnings: guests.length === 0 ? [] : [saved.madeBridge ? lost : without] };
}

function antispoofSteps({ record: saved, forward, others, ledger }: StopFacts): Step[] {
  if (saved.antispoof === undefined || forward === undefined) return [];
  const staying = others.find((other) => other.antispoof !== undefined);
  const steps = planAntispoofStop(unheld(saved.antispoof, ledger), forward, staying === undefined);
  if (staying?.antispoof === undefined) return steps;
  const path = bridgeRecordPath(staying.bridge);
  const heir = JSON.stringify({ ...staying, antispoof: inherit(staying.antispoof, saved.antispoof) });
  if (heir === JSON.stringify(staying)) return steps;
  return [
    ...steps,
    {
      do: record(path, heir),
      undo: [record(path, JSON.stringify(staying))],
      why: `let ${staying.bridge} remember how the filter was`,
    },
  ];
}

function ifupStep({ record: saved, nic }: StopFacts): Step {
  return {
    do: { tool: 'run', argv: ['ifup', saved.netdev] },
    undo: [{ tool: 'run', argv: ['ifdown', saved.netdev] }],
    why: `let ifupdown bring up ${saved.netdev}`,
    device: { name: saved.netdev, index: nic.index },
  };
}

/** Frees the name that the card is to take back. */
function topAway(facts: StopFacts): Step[] {
  const { record: saved, top } = facts;
  if (saved.topology === 'plain') return [];
  const spare = spareName(facts);
  const steps: Step[] = [
    {
      do: set(top.name, 'down'),
      undo: top.flags.has('UP') ? [set(top.name, 'up')] : [],
      why: `take down ${top.name}`,
      device: presentMark(top, top.name),
    },
  ];
  if (spare !== top.name)
    steps.push({
      do: set(top.name, 'name', spare),
      undo: [set(spare, 'name', top.name)],
      why: `rename ${top.name} to ${spare}`,
      device: presentMark(top, spare),
    });
  return steps;
}

function nicBack(facts: StopFacts): Step[] {
  const { record: saved, nic, bridge } = facts;
  const { netdev, topology } = saved;
  const step = (name: string, why: string, command: Command, undo: readonly Command[]): Step => ({
    do: command,
    undo,
    why,
    device: { name, index: nic.index },
  });
  const master = topology === 'rename' ? spareName(facts) : bridge.name;
  const away = step(nic.name, `release ${nic.name} from ${master}`, set(nic.name, 'nomaster'), [
    set(nic.name, 'master', master),
  ]);
  if (topology === 'plain') return [away];
  return [
    away,
    step(nic.name, `take down ${nic.name}`, set(nic.name, 'down'), [set(nic.name, 'up')]),
    step(netdev, `rename ${nic.name} to ${netdev}`, set(nic.name, 'name', netdev), [
      set(netdev, 'name', nic.name),
    ]),
    ...(nic.mac === saved.mac
      ? []
      : [
          step(netdev, `give its MAC address back to ${netdev}`, set(netdev, 'address', saved.mac), [
            set(netdev, 'address', nic.mac),
          ]),
        ]),
    ...(saved.hadArp && nic.flags.has('NOARP')
      ? [
          step(netdev, `switch ARP on again on ${netdev}`, set(netdev, 'arp', 'on'), [
            set(netdev, 'arp', 'off'),
          ]),
        ]
      : []),
  ];
}

/** The card, under the name that it has at that time. */
function takerOf(facts: StopFacts, name: string): Taker {
  const { record: saved, nic } = facts;
  const flags = new Set(nic.flags);
  if (saved.topology !== 'plain') flags.delete('UP');
  return {
    name,
    settings: settingsOf(facts, nic.name),
    mark: { name, index: nic.index },
    flags,
  };
}

function downAgain({ record: saved, nic }: StopFacts): Step {
  return {
    do: set(saved.netdev, 'down'),
    undo: [set(saved.netdev, 'up')],
    why: `take down ${saved.netdev}, as it was`,
    device: { name: saved.netdev, index: nic.index },
  };
}
