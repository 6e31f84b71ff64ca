import type { Link } from '../../observe/host/host.ts';
import { settingPath } from '../../record/paths.ts';
import { DISABLE_IPV6 } from '../addressing/source.ts';
import { differingSettings } from '../addressing/target.ts';
import { type Command, ip, type Step, setting } from '../step.ts';
import { PORT_MAC } from '../vif/device.ts';
import { lostPorts, optionsAgain, portAgain } from './kept.ts';
import { newBridge, newPair, set } from './parts.ts';
import { spanningTreeBack } from './spanning-tree.ts';
import { guestsOf, presentMark, type StopFacts, settingsOf, spareName } from './stop-facts.ts';

/**
 * Removes the host's veth pair and the bridge, where start made them. Each undo makes the device again with its
 * settings.
 * @param facts the host and the bridge's record
 */
export function removeBridge(facts: StopFacts): Step[] {
  const { record: saved, top, bridge } = facts;
  const steps: Step[] = [];
  if (saved.topology === 'classic' && top !== undefined) {
    const veth = spareName(facts);
    // Its peer may be in another network namespace.
    const peer = top.peer ?? veth.replace(/^veth/, 'vif0.');
    steps.push({
      do: ip('link', 'del', 'dev', veth),
      undo: pairAgain(facts, top, veth, peer),
      why: `take away the pair ${veth} and ${peer}`,
      device: { name: veth, index: top.index, gone: [veth, top.name] },
    });
  }
  if (!saved.madeBridge || bridge === undefined) return steps;
  const name = saved.topology === 'rename' ? spareName(facts) : bridge.name;
  steps.push({
    do: ip('link', 'del', 'dev', name),
    undo: bridgeAgain(facts, bridge, name),
    why: `take away the bridge ${name}`,
    device: { name, index: bridge.index, gone: [name, bridge.name] },
    ports: lostPorts(facts.kept, guestsOf(facts), name),
  });
  return steps;
}

function pairAgain(facts: StopFacts, top: Link, veth: string, vif0: string): Command[] {
  const { bridge, state } = facts;
  const port = state.links.find((link) => link.name === vif0);
  return [
    newPair({ name: veth, mac: top.mac }, { name: vif0, mac: port?.mac ?? PORT_MAC }, top.mtu),
    ...settingsAgain(facts, top.name, veth),
    ...settingsAgain(facts, vif0, vif0),
    ...flagsAgain(top, veth),
    ...(bridge === undefined || port?.master !== bridge.name
      ? []
      : [set(vif0, 'master', bridge.name), ...portAgain(facts.kept, vif0)]),
    ...(port?.flags.has('UP') === true ? [set(vif0, 'up')] : []),
  ];
}

function bridgeAgain(facts: StopFacts, bridge: Link, name: string): Command[] {
  const { record: saved, kept } = facts;
  return [
    newBridge(name, bridge.mac),
    set(name, 'mtu', `${bridge.mtu}`),
    ...settingsAgain(facts, bridge.name, name),
    ...optionsAgain(kept, name),
    ...portAgain(kept, bridge.name, name),
    ...flagsAgain(bridge, name),
    ...(saved.topology !== 'rename' && bridge.flags.has('UP') ? [set(name, 'up')] : []),
  ];
}

function settingsAgain(facts: StopFacts, device: string, name: string): Command[] {
  const differing = differingSettings(settingsOf(facts, device), settingsOf(facts, 'default'));
  return [...differing].map(([key, value]) => setting(settingPath(key, name), value));
}

function flagsAgain({ flags, alias, group }: Link, name: string): Command[] {
  return [
    ...(flags.has('PROMISC') ? [set(name, 'promisc', 'on')] : []),
    ...(flags.has('ALLMULTI') ? [set(name, 'allmulticast', 'on')] : []),
    ...(flags.has('NOARP') ? [set(name, 'arp', 'off')] : []),
    ...(alias === undefined ? [] : [set(name, 'alias', alias)]),
    ...(group === undefined ? [] : [set(name, 'group', group)]),
  ];
}

/**
 * Restores the state of a bridge that existed before start.
 * @param facts the host and the bridge's record
 */
export function leaveBridge(facts: StopFacts): Step[] {
  const { record: saved, bridge } = facts;
  const { before } = saved;
  if (before === undefined || bridge === undefined) return [];
  const { name } = bridge;
  const device = presentMark(bridge, name);
  const change = (why: string, words: readonly string[], undo: readonly string[]): Step => ({
    do: set(name, ...words),
    undo: [set(name, ...undo)],
    why: `${why} ${name}`,
    device,
  });
  const flag = (word: string, wanted: boolean | undefined, has: boolean): Step[] => {
    const state = (on: boolean) => [word, on ? 'on' : 'off'];
    return wanted === undefined || wanted === has
      ? []
      : [change(`set ${word} of`, state(wanted), state(has))];
  };
  return [
    ...(before.mac === undefined || before.mac === bridge.mac
      ? []
      : [change('give its MAC address back to', ['address', before.mac], ['address', bridge.mac])]),
    ...(before.mtu === bridge.mtu
      ? []
      : [change('set the MTU of', ['mtu', `${before.mtu}`], ['mtu', `${bridge.mtu}`])]),
    ...flag('promisc', before.promisc, bridge.flags.has('PROMISC')),
    ...flag('allmulticast', before.allmulti, bridge.flags.has('ALLMULTI')),
    ...spanningTreeBack(name, device, before.spanningTree, {
      stp_state: facts.kept.options.get('stp_state') ?? '0',
      forward_delay: facts.kept.options.get('forward_delay') ?? '0',
    }),
    ...settingsBack(facts, bridge),
    ...(before.up || !bridge.flags.has('UP') ? [] : [change('take down', ['down'], ['up'])]),
  ];
}

/** The bridge gave its addresses to the card, so IPv6 was switched off on it. */
function settingsBack(facts: StopFacts, bridge: Link): Step[] {
  const { record: saved } = facts;
  if (saved.topology !== 'plain') return [];
  const now = settingsOf(facts, bridge.name);
  const wanted = new Map(Object.entries(saved.before?.settings ?? {}));
  const ipv6 = wanted.get(DISABLE_IPV6) ?? now.get(DISABLE_IPV6);
  if (ipv6 !== undefined) wanted.set(DISABLE_IPV6, ipv6);
  const there = new Map([...now, ...(ipv6 === undefined ? [] : [[DISABLE_IPV6, '1'] as const])]);
  return [...differingSettings(wanted, there)].map(([key, value]) => {
    const path = settingPath(key, bridge.name);
    return {
      do: setting(path, value),
      undo: [setting(path, there.get(key) ?? '')],
      why: `set ${key} of ${bridge.name}`,
      device: presentMark(bridge, bridge.name),
    };
  });
}
