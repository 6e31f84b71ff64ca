import type { Link } from '../../observe/host/host.ts';
import { bridgeRecordPath } from '../../record/paths.ts';
import { bridgeHolder } from '../../record/shared-settings.ts';
import { linkLocal } from '../../request/addresses.ts';
import { lossesOf, standIn } from '../addressing/left.ts';
import { type AddressSource, release, releaseByIfupdown } from '../addressing/source.ts';
import {
  type AddressTarget,
  copySettings,
  labelSteps,
  labelsOf,
  takeOver,
  unmute,
} from '../addressing/target.ts';
import { type Command, type DeviceMark, ip, type Plan, record, type Step, shareStep } from '../step.ts';
import { portAgain } from './kept.ts';
import { set } from './parts.ts';
import { leaveBridge, removeBridge } from './removal.ts';
import { guestsOf, presentMark, type StopFacts, settingsOf, spareName } from './stop-facts.ts';

/**
 * The steps that give a card its name, addresses and routes back and remove its bridge (docs/contract.md,
 * "network-bridge stop"). Changes by the administrator since start move along. Guests that are still on the bridge lose
 * their network.
 * @param facts the host and the bridge's record
 */
export function planStop(facts: StopFacts): Plan {
  const { record: saved, top, bridge, nic } = facts;
  const source = sourceOf(facts);
  const path = bridgeRecordPath(saved.bridge);
  const name = saved.topology === 'plain' ? nic.name : saved.netdev;
  const target = targetOf(facts, name);
  const steps: Step[] = [
    ...(facts.held.length === 0 ? [] : [shareStep(bridgeHolder(saved.bridge), facts.held, [])]),
    ...(saved.ifupdown ? [] : copySettings(source, targetOf(facts, nic.name))),
    ...(top === undefined ? [] : saved.ifupdown ? releaseByIfupdown(source) : release(source)),
    ...(top === undefined ? [] : topAway(facts, top)),
    ...nicBack(facts),
    ...changedMeanwhile(facts, name),
    ...(saved.ifupdown ? [...unmute(source, target), ifupStep(facts), ...copySettings(source, target)] : []),
    ...takeOver(source, target, saved.ifupdown),
    ...labelsBack(facts, source.link, target.mark),
    ...(saved.wasUp && source.link.flags.has('UP') ? [] : [downAgain(facts, name)]),
    ...(saved.madeBridge ? [] : leaveBridge(facts)),
    {
      do: record(path, undefined),
      undo: [record(path, JSON.stringify(saved))],
      why: `remove the record of ${saved.bridge}`,
    },
    // The last steps, since only at a price can be made again what they remove.
    ...removeBridge(facts),
  ];
  const guests = guestsOf(facts).map((link) => link.name);
  const lost =
    `${saved.bridge} goes away with ${guests.join(', ')} still on it: ` +
    'these have no network until it is started again or they join another bridge.';
  const without = `${guests.join(', ')} on ${saved.bridge} cannot reach the network behind ${nic.name} any more.`;
  const cutOff = guests.length === 0 || bridge === undefined ? [] : [saved.madeBridge ? lost : without];
  return { steps, warnings: [...lossesOf(facts), ...cutOff] };
}

function sourceOf(facts: StopFacts): AddressSource {
  const { record: saved, state, top } = facts;
  if (top === undefined) return standIn(facts);
  // This is the MAC address of the bridge that start found, not the card's.
  const own = saved.before?.mac === undefined ? undefined : linkLocal(saved.before.mac);
  const link = { ...top, addresses: top.addresses.filter(({ local }) => local !== own) };
  const source = { state, link, settings: settingsOf(facts, top.name), mark: presentMark(top, top.name) };
  const { bridge } = saved;
  const isRenamed = top.kind === 'bridge' && state.links.every(({ name }) => name !== bridge);
  return isRenamed ? { ...source, former: bridge } : source;
}

/** The card has no address and is down before this step, so after a failed ifup everything on it is ifup's work. */
function ifupStep({ record: saved, top, nic }: StopFacts): Step {
  const { netdev } = saved;
  // ifupdown counts an interface as up when it brought it up, even if the device has been deleted since.
  const force = top === undefined ? ['--force'] : [];
  return {
    do: { tool: 'run', argv: ['ifup', ...force, netdev] },
    undo: [
      { tool: 'run', argv: ['ifdown', '--force', netdev] },
      ip('address', 'flush', 'dev', netdev),
      set(netdev, 'down'),
    ],
    why: `let ifupdown bring up ${saved.netdev}`,
    device: { name: saved.netdev, index: nic.index },
  };
}

/** Frees the name that the card takes back. */
function topAway(facts: StopFacts, top: Link): Step[] {
  const { record: saved } = facts;
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
  const master = topology === 'rename' ? spareName(facts) : (bridge?.name ?? '');
  const away =
    nic.master === undefined
      ? []
      : [
          step(nic.name, `release ${nic.name} from ${master}`, set(nic.name, 'nomaster'), [
            set(nic.name, 'master', master),
            ...portAgain(facts.kept, nic.name),
          ]),
        ];
  if (topology === 'plain') return away;
  return [
    ...away,
    step(
      nic.name,
      `take down ${nic.name}`,
      set(nic.name, 'down'),
      nic.flags.has('UP') ? [set(nic.name, 'up')] : [],
    ),
    ...(nic.name === netdev
      ? []
      : [
          step(netdev, `rename ${nic.name} to ${netdev}`, set(nic.name, 'name', netdev), [
            set(netdev, 'name', nic.name),
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

/**
 * Copies the host's present MAC address and MTU to the card, if they were changed since start. A bridge that existed
 * before keeps its own; one without an MTU of its own has that of its lowest port.
 */
function changedMeanwhile(facts: StopFacts, name: string): Step[] {
  const { record: saved, nic, top, state } = facts;
  const isOwn = top !== undefined && (saved.madeBridge || saved.topology === 'classic');
  const mac = isOwn && top.mac !== saved.mac ? top.mac : saved.mac;
  const givesMac = mac !== nic.mac && (saved.topology !== 'plain' || mac !== saved.mac);
  const isLowered =
    !isOwn &&
    state.links.some(
      (port) => port.master === saved.bridge && port.index !== nic.index && port.mtu === top?.mtu,
    );
  const mtu = top === undefined || top.mtu === saved.mtu || isLowered ? nic.mtu : top.mtu;
  const step = (why: string, words: readonly string[], undo: readonly string[]): Step => ({
    do: set(name, ...words),
    undo: [set(name, ...undo)],
    why: `${why} ${name}`,
    device: { name, index: nic.index },
  });
  return [
    ...(givesMac ? [step('give its MAC address back to', ['address', mac], ['address', nic.mac])] : []),
    ...(mtu === nic.mtu ? [] : [step(`set the MTU ${mtu} of`, ['mtu', `${mtu}`], ['mtu', `${nic.mtu}`])]),
  ];
}

/** A bridge that existed before has its own alias and group, which the card never gave it. */
function labelsBack({ record: saved, nic }: StopFacts, from: Link, card: DeviceMark): Step[] {
  if (!saved.madeBridge && saved.topology !== 'classic') return [];
  return labelSteps(nic, { ...labelsOf(nic), ...labelsOf(from) }, card);
}

/** The card, under its name at that time. */
function targetOf(facts: StopFacts, name: string): AddressTarget {
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

function downAgain({ nic }: StopFacts, name: string): Step {
  return {
    do: set(name, 'down'),
    undo: [set(name, 'up')],
    why: `take down ${name}, as it was`,
    device: { name, index: nic.index },
  };
}
