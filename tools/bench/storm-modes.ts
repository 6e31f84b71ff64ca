// The kinds of guests that start at the same moment, and what the host must have for each of them.

import { existsSync } from 'node:fs';
import { startOpenVswitch } from '../../test/support/openvswitch.ts';
import { MAKERS, type Maker, Stage } from './stage.ts';

/** A kind of guest: an entry more is a row more in the table. */
export interface StormMode {
  readonly name: string;
  readonly hook: string;
  /** What hooks are told beside the command. */
  readonly words: readonly string[];
  /** What is written beside each guest's other entries in xenstore. */
  readonly entries: Readonly<Record<string, string>>;
  readonly makers: readonly Maker[];
  /** Makes on the host what such guests need beside a bridge. */
  readonly prepare?: (stage: Stage) => void;
  /** Words for each thing that the host has for a guest, the guest's own device among them. */
  readonly parts: readonly ((stage: Stage) => Set<number>)[];
}

const SWITCH = 'ovs0';
const STRICT = { locking: 'locked' };

export const STORM_MODES: readonly StormMode[] = [
  { name: 'none', hook: 'vif-bridge', words: ['filter=no'], entries: {}, makers: ['ours'], parts: [ports] },
  { name: 'compatible', hook: 'vif-bridge', words: [], entries: {}, makers: MAKERS, parts: [ports, rules] },
  {
    name: 'strict',
    hook: 'vif-bridge',
    words: [],
    entries: STRICT,
    makers: ['ours'],
    parts: [ports, strict],
  },
  {
    name: 'routed',
    hook: 'vif-route',
    words: [],
    entries: {},
    makers: ['ours', 'smallest'],
    parts: [routes],
  },
  {
    name: 'routed strict',
    hook: 'vif-route',
    words: [],
    entries: STRICT,
    makers: ['ours'],
    parts: [routes, strict],
  },
  { name: 'NAT', hook: 'vif-nat', words: [], entries: {}, makers: ['ours', 'smallest'], parts: [routes] },
  {
    name: 'NAT strict',
    hook: 'vif-nat',
    words: [],
    entries: STRICT,
    makers: ['ours'],
    parts: [routes, strict],
  },
  {
    name: 'Open vSwitch',
    hook: 'vif-openvswitch',
    words: [],
    entries: { bridge: SWITCH },
    makers: ['ours'],
    prepare: ({ host }) => startOpenVswitch(host, SWITCH),
    parts: [switched],
  },
];

/** Why a run has no storm of some guests, one sentence for each kind. */
export function stormsLeftOut(): string[] {
  const lacks = existsSync('/sys/module/openvswitch') ? '' : ', which this kernel does not have';
  return [
    'no storm of 400 with the stock scripts, which wait for each other so that the time grows with the square of their number.',
    "no storm of guests with VLANs: many kernels' bridges cannot filter them, and a number more on a port costs one message to the kernel.",
    `no storm of strict guests on Open vSwitch: they need the kernel's switch${lacks}; the tests have a few of them on one that stands in for it.`,
  ];
}

function ports({ host }: Stage): Set<number> {
  return domids(
    host.ok('ip', '-o', 'link', 'show', 'master', Stage.bridge(1)),
    /^\d+: vif(\d+)\.0@\S+ <\S*\bUP\b/gm,
  );
}

function routes({ host }: Stage): Set<number> {
  return domids(host.ok('ip', '-4', 'route', 'show'), / dev vif(\d+)\.0 /gm);
}

function switched({ host }: Stage): Set<number> {
  return domids(host.ok('ovs-vsctl', 'list-ports', SWITCH), /^vif(\d+)\.0$/gm);
}

/** The strict tables of bridged and of routed guests alike. */
function strict({ host }: Stage): Set<number> {
  return domids(host.run(['nft', 'list', 'ruleset']).stdout, /"vif(\d+)\.0"/g);
}

/** Those who have all of the rules that let them pass. */
function rules({ host }: Stage): Set<number> {
  const listing = host.ok('iptables', '-S', 'FORWARD').replace(/ -m comment --comment "[^"]*"/g, '');
  const all = new Set(listing.split('\n'));
  const has = (domid: number) => {
    const [from, to] = ['in', 'out'].map(
      (way) => `-m physdev --physdev-${way} vif${domid}.0 --physdev-is-bridged`,
    );
    return (
      all.has(`-A FORWARD -s ${Stage.address(domid)}/32 ${from} -j ACCEPT`) &&
      all.has(`-A FORWARD -p udp ${from} -m udp --sport 68 --dport 67 -j ACCEPT`) &&
      all.has(`-A FORWARD ${to} -j ACCEPT`)
    );
  };
  return new Set([...domids(listing, / vif(\d+)\.0 /g)].filter(has));
}

function domids(text: string, pattern: RegExp): Set<number> {
  return new Set([...text.matchAll(pattern)].map(([, domid]) => Number(domid)));
}
