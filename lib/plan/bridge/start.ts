import type { BridgeBefore, BridgeRecord } from '../../observe/bridge/uplink.ts';
import type { Link } from '../../observe/host/host.ts';
import { bridgeRecordPath } from '../../record/paths.ts';
import { bridgeHolder, type SharedSetting } from '../../record/shared-settings.ts';
import { cardRecord } from '../addressing/left.ts';
import { type AddressSource, release, releaseByIfupdown } from '../addressing/source.ts';
import {
  type AddressTarget,
  copySettings,
  differingSettings,
  labelSteps,
  takeOver,
  unmute,
} from '../addressing/target.ts';
import { antispoofSettings, cardRules, passageSettings } from '../filter/antispoof.ts';
import { type DeviceMark, ip, type Plan, record, type Step, shareStep } from '../step.ts';
import { PORT_MAC } from '../vif/device.ts';
import { type BridgeLayout, freeName } from './layout.ts';
import { bridgeThere, makeBridge, makePair, NEW, raise, set, silence } from './parts.ts';
import { spanningTreeSteps } from './spanning-tree.ts';
import type { StartFacts } from './start-facts.ts';

/**
 * The steps that bridge a card (docs/contract.md, "network-bridge start"). All that can be done in advance comes first,
 * so that the host is without network only while its addresses move.
 * @param facts the host, the card and the names of the parts
 */
export function planStart(facts: StartFacts): Plan {
  const { layout } = facts;
  const source = sourceOf(facts);
  const early = earlyName(facts);
  const target = targetOf(facts, layout.top);
  const byIfupdown = usesIfupdown(facts);
  const steps = [
    ...makeBridge(facts, layout.topology === 'rename' ? early : layout.bridge),
    ...(layout.topology === 'classic' ? [makePair(facts), ...silence(facts), ...raise(facts)] : []),
    ...(byIfupdown ? [] : copySettings(source, targetOf(facts, early))),
    ...silentTop(facts, targetOf(facts, early).mark),
    ...detach(facts, source),
    ...(early === layout.top ? [] : [takeName(early, layout.top)]),
    ...portSteps(facts),
    // ifup may have changed the settings that were read before.
    ...(byIfupdown ? [...unmute(source, target), ifupStep(layout), ...copySettings(source, target)] : []),
    ...takeOver(source, target, byIfupdown),
    ...spanningTreeOf(facts),
    ...labelsAway(facts, target.mark),
  ];
  const antispoof = filterOf(facts);
  const path = bridgeRecordPath(layout.bridge);
  const holder = bridgeHolder(layout.bridge);
  steps.push(...(antispoof === undefined ? [] : [shareStep(holder, [], antispoof.sharedSettings)]), {
    do: record(path, JSON.stringify(recordOf(facts, antispoof))),
    undo: [record(path, undefined)],
    why: `record how ${layout.netdev} was`,
  });
  const table = facts.strict ? [shareStep(holder, [], [{ kind: 'strict' }])] : [];
  return { steps: [...table, ...steps], warnings: leaseWarnings(facts) };
}

function spanningTreeOf(facts: StartFacts): Step[] {
  const { layout, link, spanningTree } = facts;
  const there = bridgeThere(facts);
  const ports = [
    ...(link.flags.has('LOWER_UP') ? [layout.nic] : []),
    ...(layout.topology === 'classic' ? [layout.vif0] : []),
  ];
  const device = there === undefined ? NEW(layout.bridge) : { name: layout.bridge, index: there.index };
  return spanningTreeSteps(
    layout.bridge,
    device,
    spanningTree?.wanted,
    there === undefined ? undefined : spanningTree?.now,
    ports,
  );
}

/** The firewall rules that the bridge needs: they let the card's side pass and, with antispoof=yes, nobody else. */
function filterOf({
  layout,
  filtered,
  wrapped,
  untracked,
  beside = [],
  dropping = [],
}: StartFacts): FilterNeeds | undefined {
  const ports = [layout.nic, ...(layout.topology === 'classic' ? [layout.vif0] : [])];
  if (filtered !== undefined) {
    const rules = cardRules(ports, untracked);
    return {
      rules,
      sharedSettings: [
        ...antispoofSettings(filtered, rules),
        ...beside,
        ...(wrapped === undefined ? [] : [wrapped]),
      ],
    };
  }
  const rules = cardRules(ports);
  return dropping.length === 0 ? undefined : { rules, sharedSettings: passageSettings(dropping, rules) };
}

interface FilterNeeds {
  readonly rules: readonly string[];
  readonly sharedSettings: readonly SharedSetting[];
}

function recordOf(facts: StartFacts, antispoof: FilterNeeds | undefined): BridgeRecord {
  const { layout, link } = facts;
  const there = bridgeThere(facts);
  return {
    topology: layout.topology,
    bridge: layout.bridge,
    netdev: layout.netdev,
    nic: layout.nic,
    nicIndex: link.index,
    madeBridge: there === undefined,
    wasUp: link.flags.has('UP'),
    hadArp: !link.flags.has('NOARP'),
    mac: link.mac,
    ifupdown: usesIfupdown(facts),
    mtu: link.mtu,
    had: cardRecord(facts.state, link, facts.settings),
    ...(there === undefined ? {} : { before: beforeOf(facts, there) }),
    ...(antispoof === undefined ? {} : { antispoof: { rules: antispoof.rules } }),
    ...(facts.strict ? { strict: true } : {}),
    ...(facts.account ? { account: true } : {}),
  };
}

/** Kinds of devices that the kernel makes without ARP (drivers/net/dummy.c, drivers/net/ifb.c): nobody asked for that. */
const SILENT_KINDS: readonly (string | undefined)[] = ['dummy', 'ifb'];

/**
 * Where somebody switched ARP off on the card it is off on the new device too; done later, this would delete the device's
 * neighbours.
 */
function silentTop({ link }: StartFacts, top: DeviceMark): Step[] {
  if (top.index !== 'new' || !link.flags.has('NOARP') || SILENT_KINDS.includes(link.kind)) return [];
  const command = set(top.name, 'arp', 'off');
  return [{ do: command, undo: [], why: `switch ARP off on ${top.name}, as it is`, device: top }];
}

/** Alias and group move to the host's side; a bridge that existed before keeps its own. */
function labelsAway({ layout, link }: StartFacts, top: DeviceMark): Step[] {
  if (top.index !== 'new') return [];
  return [...labelSteps({}, link, top), ...labelSteps(link, {}, { name: layout.nic, index: link.index })];
}

/** The state of an existing bridge from before start, as far as start changes it. */
function beforeOf(facts: StartFacts, there: Link): BridgeBefore {
  const { layout, settings, topSettings, spanningTree } = facts;
  const isChanged = spanningTreeOf(facts).length > 0 && spanningTree !== undefined;
  const base = {
    mtu: there.mtu,
    up: there.flags.has('UP'),
    ...(isChanged ? { spanningTree: spanningTree.now } : {}),
  };
  if (layout.top !== layout.bridge) return base;
  const changed = [...differingSettings(settings, topSettings).keys()];
  return {
    ...base,
    mac: there.mac,
    promisc: there.flags.has('PROMISC'),
    allmulti: there.flags.has('ALLMULTI'),
    settings: Object.fromEntries(changed.map((key) => [key, topSettings.get(key) ?? ''])),
  };
}

/** ifup knows interfaces by name, so it only helps where the device with the addresses keeps the card's name. */
function usesIfupdown({ ifupdown, layout }: StartFacts): boolean {
  return ifupdown && layout.top === layout.netdev;
}

/** A DHCP client listens on the device for which it was started, and that device becomes a port. */
function leaseWarnings(facts: StartFacts): string[] {
  const { link, layout } = facts;
  const lease = link.addresses.find(({ family, flags }) => family === 4 && flags.has('dynamic'));
  if (lease === undefined || usesIfupdown(facts)) return [];
  return [
    `${lease.local} on ${link.name} was given by DHCP for another ${lease.validSeconds} s, and the client that renews it ` +
      `stays with the card: restart it for ${layout.top}, or configure the address of ${layout.top} by hand.`,
  ];
}

/** The host is without network from here on: the addresses are removed and, except for plain, the card is renamed. */
function detach(facts: StartFacts, source: AddressSource): Step[] {
  const { layout, link } = facts;
  const { netdev, nic, topology } = layout;
  const step = (name: string, why: string, words: string[], undo: string[]): Step => ({
    do: ip('link', 'set', 'dev', ...words),
    undo: undo.length === 0 ? [] : [ip('link', 'set', 'dev', ...undo)],
    why,
    device: { name, index: link.index },
  });
  const steps = usesIfupdown(facts) ? releaseByIfupdown(source) : release(source);
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

/** The name of the device that will get the addresses, while the card may still have the name that it will get. */
function earlyName({ state, layout }: StartFacts): string {
  if (layout.topology === 'classic') return layout.veth;
  return layout.top === layout.netdev ? freeName(state, `b${layout.netdev}`) : layout.top;
}

function takeName(early: string, name: string): Step {
  return {
    do: set(early, 'name', name),
    undo: [set(name, 'name', early)],
    why: `let ${early} take the name ${name}`,
    device: NEW(name),
  };
}

function portSteps({ layout, link }: StartFacts): Step[] {
  const { nic, bridge, topology } = layout;
  const device = { name: nic, index: link.index };
  const wasUp = topology === 'plain' && link.flags.has('UP');
  return [
    {
      do: set(nic, 'master', bridge),
      undo: [set(nic, 'nomaster')],
      why: `enslave ${nic} to ${bridge}`,
      device,
    },
    { do: set(nic, 'up'), undo: wasUp ? [] : [set(nic, 'down')], why: `bring up ${nic}`, device },
  ];
}

function ifupStep({ netdev }: BridgeLayout): Step {
  return {
    do: { tool: 'run', argv: ['ifup', netdev] },
    // ifup that failed half-way leaves the device unmarked, so ifdown needs --force.
    undo: [{ tool: 'run', argv: ['ifdown', '--force', netdev] }],
    why: `let ifupdown bring up ${netdev}`,
    device: NEW(netdev),
  };
}

function sourceOf({ state, link, settings }: StartFacts): AddressSource {
  return { state, link, settings, mark: { name: link.name, index: link.index } };
}

/** The device that gets the addresses, under its name at that time. */
function targetOf(facts: StartFacts, name: string): AddressTarget {
  const { layout, topSettings } = facts;
  const there = layout.top === layout.bridge ? bridgeThere(facts) : undefined;
  const mark: DeviceMark = there === undefined ? NEW(name) : { name, index: there.index };
  return { name, settings: topSettings, mark, flags: there?.flags ?? new Set() };
}
