import { describe, expect, test } from 'vitest';
import type { BridgeRecord } from '../../../lib/observe/bridge/uplink.ts';
import type { HostState, Link } from '../../../lib/observe/host/host.ts';
import { checkLayout, linkOf } from '../../../lib/plan/bridge/check.ts';
import { findBridged, findStarted, layoutOf } from '../../../lib/plan/bridge/layout.ts';
import { antispoofSettings, cardRules } from '../../../lib/plan/filter/antispoof.ts';
import { type SharedFacts, share } from '../../../lib/plan/shared/shared-settings.ts';
import { commandText } from '../../../lib/plan/step.ts';
import type { HeldSetting, SharedSetting, SharedSettings } from '../../../lib/record/shared-settings.ts';
import { parseBridgeRequest } from '../../../lib/request/bridge.ts';
import { link, request } from '../../support/cases/bridge-cases.ts';

function host(...links: Link[]): HostState {
  return { links, routes: [], rules: [], neighbours: [] };
}

function layout(card: Link, asked = request(), ...others: Link[]) {
  return layoutOf(host(card, ...others), card, asked);
}

describe('names', () => {
  test.each([
    ['eth0', {}, 'classic', 'xenbr0', 'peth0', 'eth0', 'veth0'],
    ['eth1', {}, 'classic', 'xenbr1', 'peth1', 'eth1', 'veth1'],
    ['enp3s0', {}, 'classic', 'xenbr0', 'penp3s0', 'enp3s0', 'veth0'],
    ['eth0', { vifnum: 4 }, 'classic', 'xenbr4', 'peth0', 'eth0', 'veth4'],
    ['eth0', { bridge: 'br7' }, 'classic', 'br7', 'peth0', 'eth0', 'veth0'],
    ['eth0', { topology: 'rename' }, 'rename', 'eth0', 'peth0', 'eth0', 'veth0'],
    ['eth0', { topology: 'rename', bridge: 'br7' }, 'rename', 'br7', 'peth0', 'br7', 'veth0'],
    ['eth0', { topology: 'plain' }, 'plain', 'xenbr0', 'eth0', 'xenbr0', 'veth0'],
    ['enp0s20f0u1u2i3', {}, 'plain', 'xenbr0', 'enp0s20f0u1u2i3', 'xenbr0', 'veth0'],
  ] as const)('%s %j', (name, asked, topology, bridge, nic, top, veth) => {
    expect(layout(link(name, 2), request(asked))).toMatchObject({ topology, bridge, nic, top, veth });
  });

  test('composites and cards with VLANs are not renamed', () => {
    for (const kind of ['bond', 'vlan', 'team'])
      expect(layout(link('up0', 2, { kind })).topology).toBe('plain');
    const vlan = link('eth0.5', 3, { kind: 'vlan', peer: 'eth0' });
    expect(layout(link('eth0', 2), request(), vlan).topology).toBe('plain');
    expect(layout(link('eth0', 2), request({ topology: 'classic' }), vlan).topology).toBe('classic');
    expect(() => layout(link('enp0s20f0u1u2i3', 2), request({ topology: 'rename' }))).toThrow(
      /use topology=plain/,
    );
  });

  test('what is asked for', () => {
    expect(parseBridgeRequest({ bridge: 'null', netdev: 'a/b' })).toBeUndefined();
    expect(parseBridgeRequest({ vifnum: '3', antispoof: 'on' })).toEqual(
      request({ vifnum: 3, antispoof: true }),
    );
    expect(() => parseBridgeRequest({ topology: 'ring' })).toThrow('topology is "ring"; say one of');
  });
});

describe('a card that cannot be bridged', () => {
  const card = link('eth0', 2);
  const refusal = (asked: Parameters<typeof request>[0], ...others: Link[]) => {
    const state = host(card, ...others);
    return () => checkLayout(state, card, layoutOf(state, card, request(asked)));
  };

  test('a guest on the bridge is no card', () => {
    const bridge = link('xenbr0', 3, { kind: 'bridge' });
    const ports = ['vif1.0', 'tap0', 'vnet3', 'vethX'].map((name, i) =>
      link(name, 10 + i, { master: 'xenbr0' }),
    );
    expect(refusal({}, bridge, ...ports, link('web', 20, { kind: 'tun', master: 'xenbr0' }))).not.toThrow();
    expect(refusal({}, bridge, link('eth1', 9, { master: 'xenbr0' }))).toThrow(/serves eth1 already/);
  });

  test('a name that is another device’s other name is taken', () => {
    expect(refusal({}, link('eth5', 5, { altnames: ['peth0'] }))).toThrow(/The name peth0, .* is taken/);
    expect(linkOf(host(link('eth5', 5, { altnames: ['enp1s0'] })), 'enp1s0').name).toBe('eth5');
  });
});

describe('which bridge', () => {
  const record = (netdev: string, bridge: string, nicIndex: number): BridgeRecord => ({
    topology: 'classic',
    bridge,
    netdev,
    nic: `p${netdev}`,
    nicIndex,
    madeBridge: true,
    wasUp: true,
    hadArp: true,
    mac: '00:16:3e:aa:bb:cc',
    ifupdown: false,
  });
  const records = [record('eth0', 'xenbr0', 2), record('dummy0', 'xenbr1', 3)];
  const state = host(link('peth0', 2, { master: 'xenbr0' }), link('pdummy0', 3, { master: 'xenbr1' }));
  const stopped = (asked: Parameters<typeof request>[0], fallback = 'eth0') =>
    findStarted(state, records, request(asked), fallback)?.bridge;

  test('the named card’s, else the numbered or named one, else the default route’s', () => {
    expect(stopped({ netdev: 'dummy0' })).toBe('xenbr1');
    expect(stopped({ netdev: 'dummy0', vifnum: 0 })).toBe('xenbr1');
    expect(stopped({ vifnum: 1 })).toBe('xenbr1');
    expect(stopped({ vifnum: 5 })).toBeUndefined();
    expect(stopped({ bridge: 'xenbr1' })).toBe('xenbr1');
    expect(stopped({ bridge: 'other' })).toBeUndefined();
    expect(stopped({})).toBe('xenbr0');
    expect(stopped({}, 'eth9')).toBeUndefined();
    expect(findStarted(state, records.slice(1), request(), 'eth9')?.bridge).toBe('xenbr1');
  });

  test('a record of a card that is gone counts for nothing', () => {
    expect(findBridged(host(link('peth0', 44, { master: 'xenbr0' })), records, 'dummy0')).toBeUndefined();
  });
});

describe('antispoof', () => {
  const NF = ['iptables', 'ip6tables', 'arptables'].map(
    (name) => `/proc/sys/net/bridge/bridge-nf-call-${name}`,
  );
  const USER = 'network-bridge xenbr0';

  function planned(
    sharedSettings: readonly SharedSetting[],
    shared: SharedSettings,
    more: Partial<SharedFacts> = {},
  ) {
    const facts = { present: new Map(), beside: new Map(), filtersBridges: true, guests: new Map(), ...more };
    const { steps, shared: after } = share(shared, facts, USER, sharedSettings);
    return { commands: steps.map((step) => commandText(step.do)), after };
  }

  test('the module is loaded where it is missing, and then is as if it were not after stop', () => {
    const sharedSettings = antispoofSettings([4], cardRules(['eth0']));
    const present = new Map(NF.map((path) => [path, '0']));
    const { commands, after } = planned(sharedSettings, [], { present, filtersBridges: false });
    expect(commands.slice(0, 2)).toEqual(['modprobe br_netfilter', `echo 1 > ${NF[0]}`]);
    const on = new Map(NF.map((path) => [path, '1']));
    expect(planned([], after, { present: on }).commands.sort()).toEqual(
      NF.map((path) => `echo 0 > ${path}`).sort(),
    );
  });

  test('a host without IPv6 has no IPv6 filter', () => {
    const sharedSettings = antispoofSettings([4], cardRules(['eth0'])).filter(
      ({ kind }) => kind !== 'setting',
    );
    expect(planned(sharedSettings, [], { present: new Map([['4 policy', 'DROP']]) }).commands).toEqual([
      'iptables -w -I FORWARD -m physdev --physdev-in eth0 --physdev-is-bridged -j ACCEPT',
    ]);
  });

  test('what the administrator made DROP stays DROP, what somebody changed since is left alone', () => {
    const held = (setting: SharedSetting, before: string): HeldSetting => ({
      setting,
      before,
      beside: {},
      holders: [USER],
    });
    const shared = [
      held({ kind: 'policy', family: 4, value: 'DROP' }, 'DROP'),
      held({ kind: 'policy', family: 6, value: 'DROP' }, 'ACCEPT'),
      held({ kind: 'setting', path: '/x', value: '1' }, '0'),
      held({ kind: 'setting', path: '/y', value: '1' }, '1'),
    ];
    const present = new Map(
      Object.entries({ '4 policy': 'DROP', '6 policy': 'ACCEPT', '/x': '0', '/y': '1' }),
    );
    expect(planned([], shared, { present })).toEqual({ commands: [], after: [] });
  });

  test('the strict filter’s table goes with its last user, but with no guest and no rule of the administrator in it', () => {
    const shared: SharedSettings = [
      { setting: { kind: 'strict' }, before: 'bare', beside: {}, holders: [USER] },
    ];
    const stop = (state: string | undefined) =>
      planned([], shared, { present: new Map([['strict', state]]) }).commands;
    expect(stop('bare')).toEqual([expect.stringContaining('delete table')]);
    for (const state of ['held', 'customized', undefined]) expect(stop(state)).toEqual([]);
  });
});
