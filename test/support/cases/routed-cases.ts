import { NO_RULES, ownerComment, routedForwardRules } from '../../../lib/filter/forward.ts';
import type { KernelRoute } from '../../../lib/observe/host/kernel-routes.ts';
import type { Port } from '../../../lib/observe/host/port.ts';
import type { VifRecord } from '../../../lib/observe/records.ts';
import { natAssignments, natGuestAddresses } from '../../../lib/plan/routed/nat.ts';
import { ROUTE_METRIC, routedAssignments } from '../../../lib/plan/routed/route.ts';
import { planRouted, planUnrouted, routeSettings } from '../../../lib/plan/routed/routed.ts';
import { standBackPaths } from '../../../lib/plan/routed/stand-back.ts';
import { type Plan, shareStep } from '../../../lib/plan/step.ts';
import { routerSettingPaths } from '../../../lib/plan/unheard.ts';
import { planJoin } from '../../../lib/plan/vif/bridge.ts';
import { planSwitchJoin } from '../../../lib/plan/vif/openvswitch.ts';
import { portVlans } from '../../../lib/plan/vif/vlan.ts';
import type { Assignment } from '../../../lib/record/assignment.ts';
import type { SharedSetting } from '../../../lib/record/shared-settings.ts';
import { parseAddressList } from '../../../lib/request/addresses.ts';
import { natAddresses } from '../../../lib/request/nat-address.ts';
import { parseOvsBridge } from '../../../lib/request/openvswitch.ts';
import { parseVifCall, parseVifSettings } from '../../../lib/request/vif.ts';
import { type PortVlans, parseVlans } from '../../../lib/request/vlan.ts';
import { BRIDGE, port, state } from './vif-cases.ts';

const OWNER = ownerComment({ device: 'vif1.0', domid: 1 });
const UPLINK = { device: 'eth0', index: 2, main4: '198.51.100.2', main6: '2001:db8::2' };
export const recordPath = '/run/xen-network/vif/vif1.0';
const up = { up: true };
const BOTH = '192.0.2.7 10.8.0.0/16 2001:db8::7';

const typeOf = (name: string) => (name.endsWith('-emu') ? 'tap' : 'vif');

function callOf(found: Port) {
  const isTap = found.name.endsWith('-emu');
  const path = { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0' };
  return isTap
    ? parseVifCall('add', { ...path, type_if: 'tap', INTERFACE: found.name })
    : parseVifCall('online', path);
}

function renameOf(found: Port, vifname: string | undefined) {
  return parseVifSettings(callOf(found), {}, { vifname }).rename;
}

interface Wanted {
  readonly vifname?: string;
  readonly mtu?: number;
  readonly before?: VifRecord;
  readonly routes?: readonly KernelRoute[];
  /** Routes and addresses of before that are not wanted any more. */
  readonly stale?: readonly Assignment[];
  readonly settings?: string;
  readonly antispoof?: true;
  /** The assignment of the card's other device. */
  readonly twin?: readonly Assignment[];
  /** The vif that stands back; the device itself unless told. */
  readonly standsBack?: Port | 'itself';
}

const NDP: SharedSetting = { kind: 'setting', path: '/proc/sys/net/ipv6/conf/eth0/proxy_ndp', value: '1' };

function routed(found: Port, ip: readonly string[], assigned: readonly Assignment[], wanted: Wanted): Plan {
  const rename = renameOf(found, wanted.vifname);
  const addresses = parseAddressList(ip.join(' '));
  const uplink = addresses.some(({ family }) => family === 6) ? UPLINK : undefined;
  const value = wanted.settings ?? '0';
  return planRouted(
    { ...state(found, wanted.before), port: found },
    {
      routes: wanted.routes ?? [],
      stale: wanted.stale ?? [],
      settings: Object.fromEntries([
        ...routeSettings(found.name, uplink !== undefined).map((path) => [path, value]),
        ...routerSettingPaths(found.name).map((path) => [path, value === '1' ? '0' : '1']),
        ...standBackPaths('vif1.0').map((path) => [path, value]),
      ]),
      uplink,
      twin: wanted.twin ?? [],
      standsBack: wanted.standsBack === 'itself' ? found : wanted.standsBack,
    },
    {
      call: callOf(found),
      rename,
      mtu: wanted.mtu,
      assigned,
      shared: uplink === undefined ? [] : [shareStep('vif vif1.0', [], [NDP])],
      inPlace: wanted.before?.rules ?? NO_RULES,
      rules: routedForwardRules(
        rename?.name ?? found.name,
        addresses,
        wanted.antispoof ? [4, 6] : [4],
        OWNER,
      ),
      leaseSteps: [],
      lease: undefined,
      recordPath,
    },
  );
}

function route(found: Port, ip: string, wanted: Wanted = {}): Plan {
  const name = renameOf(found, wanted.vifname)?.name ?? found.name;
  return routed(found, [ip], routeAssignments(name, ip), wanted);
}

function routeAssignments(name: string, ip: string): Assignment[] {
  return routedAssignments(name, UPLINK, parseAddressList(ip), ROUTE_METRIC[typeOf(name)]);
}

function nat(found: Port, ip: string, wanted: Wanted = {}): Plan {
  const addresses = natAddresses(ip, 1, 0);
  const all = natGuestAddresses(addresses).map(({ address, length }) => `${address}/${length}`);
  return routed(found, all, natAssignments(found.name, addresses, UPLINK, typeOf(found.name)), wanted);
}

function recordOf(name: string, assigned: readonly Assignment[], ip = ''): VifRecord {
  const rules = routedForwardRules(name, parseAddressList(ip), [4], OWNER);
  const ndp = assigned.some(({ kind }) => kind === 'proxy') ? { proxyNdp: { device: 'eth0' } } : {};
  return { name, bridge: '', rules, assigned, ...ndp };
}

/** The kernel's routes to what was assigned. */
function routesOf(assigned: readonly Assignment[]): KernelRoute[] {
  return assigned.flatMap((item) =>
    item.kind === 'route'
      ? [{ family: 4, prefix: item.prefix, device: item.device, metric: item.metric ?? 0, local: false }]
      : [],
  );
}

/** The plan of a vif-route offline, or of a vif-nat one. */
export function unrouted(
  found: Port | undefined,
  before: VifRecord | undefined,
  twin: readonly Assignment[] = [],
): Plan {
  const rules = before?.rules ?? NO_RULES;
  const others = { before: [], after: [], twin };
  return planUnrouted(
    state(found, before),
    found?.name ?? before?.name ?? 'vif1.0',
    rules,
    recordPath,
    others,
  );
}

const both = routeAssignments('vif1.0', BOTH);
const one = routeAssignments('vif1.0', '192.0.2.7');
const natted = natAssignments('vif1.0', natAddresses('', 1, 0), undefined, 'vif');

/** Every form that a vif-route plan can take, by name. */
export const ROUTE_CASES: Readonly<Record<string, () => Plan>> = {
  online: () => route(port('vif1.0'), '192.0.2.7'),
  'online-both-families': () => route(port('vif1.0'), BOTH),
  'online-no-address': () => route(port('vif1.0'), ''),
  'online-vifname': () => route(port('vif1.0', up), '192.0.2.7', { vifname: 'web', mtu: 1400 }),
  'online-antispoof': () => route(port('vif1.0'), '192.0.2.7', { antispoof: true }),
  'online-again': () =>
    route(port('vif1.0', up), '192.0.2.7', {
      before: recordOf('vif1.0', one, '192.0.2.7'),
      routes: routesOf(one),
      settings: '1',
    }),
  'online-other-address': () =>
    route(port('vif1.0', up), '192.0.2.8', {
      before: recordOf('vif1.0', both, BOTH),
      routes: routesOf(both),
      stale: both.filter(({ kind }) => kind !== 'address'),
      settings: '1',
    }),
  'online-over-stock': () => route(port('vif1.0', up), '192.0.2.7', { routes: routesOf(one), settings: '1' }),
  'online-beside-tap': () =>
    route(port('vif1.0'), '192.0.2.7', {
      vifname: 'web',
      routes: routesOf(routeAssignments('vif1.0-emu', '192.0.2.7')),
      standsBack: 'itself',
    }),
  add: () =>
    route(port('vif1.0-emu'), '192.0.2.7', { routes: routesOf(one), standsBack: port('vif1.0', up) }),
  'offline-beside-tap': () => unrouted(port('vif1.0', up), recordOf('vif1.0', both, BOTH), both),
  offline: () => unrouted(port('vif1.0', up), recordOf('vif1.0', both, BOTH)),
  'offline-gone': () => unrouted(undefined, recordOf('vif1.0', both, BOTH)),
};

/** Every form that a vif-nat plan can take beside those. */
export const NAT_CASES: Readonly<Record<string, () => Plan>> = {
  online: () => nat(port('vif1.0'), ''),
  'online-subnet': () => nat(port('vif1.0'), '192.0.2.5/24 fd00::5'),
  'online-again': () =>
    nat(port('vif1.0', up), '', {
      before: recordOf('vif1.0', natted, '10.0.1.1'),
      routes: routesOf(natted),
      settings: '1',
    }),
  'add-beside-vif': () =>
    nat(port('vif1.0-emu'), '', { routes: routesOf(natted), standsBack: port('vif1.0', up) }),
  offline: () => unrouted(port('vif1.0', up), recordOf('vif1.0', natted, '10.0.1.1')),
};

const IDS: readonly (readonly [string, string])[] = [
  ['xen-vm-name', `a "web" server's $(id) {x}=1,\nline\\ two`],
  ['xen-vm-uuid', '5f1a9c1e-0d3c-4d11-9b7a-3a0f2f6f7b11'],
  ['attached-mac', '00:16:3e:00:00:01'],
  ['iface-id', '00:16:3e:00:00:01'],
];

function joinSwitch(
  found: Port,
  bridge: string,
  more: { vifname?: string; mtu?: number; before?: VifRecord } = {},
): Plan {
  const isPort = found.address === ready.address;
  return planSwitchJoin(
    { ...state(found, more.before), port: found },
    {
      call: callOf(found),
      rename: renameOf(found, more.vifname),
      target: parseOvsBridge(bridge),
      mtu: more.mtu,
      heard: Object.fromEntries(routerSettingPaths(found.name).map((path) => [path, isPort ? '0' : '1'])),
      ids: IDS,
      isPort,
      recordPath,
    },
  );
}

/** What a record says of a port of a switch. */
export const switched: VifRecord = {
  name: 'vif1.0',
  bridge: 'ovsbr0',
  rules: NO_RULES,
  switchPort: ['--', 'add-port', 'ovsbr0', 'vif1.0', 'tag=7'],
};
export const ready = { ...up, address: 'fe:ff:ff:ff:ff:ff' };

/** Every form that a vif-openvswitch online or add can take, by name. */
export const SWITCH_CASES: Readonly<Record<string, () => Plan>> = {
  online: () => joinSwitch(port('vif1.0'), 'ovsbr0'),
  'online-vlans': () => joinSwitch(port('vif1.0', up), 'ovsbr0.10:20:30', { vifname: 'web', mtu: 1400 }),
  'online-again': () => joinSwitch(port('vif1.0', ready), 'ovsbr0:20', { before: switched }),
  add: () => joinSwitch(port('vif1.0-emu'), 'ovsbr0.10'),
};

const vlans = (text: string): PortVlans => portVlans(text, parseVlans(text), 1);

function joinVlans(found: Port, wanted: string | undefined, before?: string): Plan {
  const record = { name: 'vif1.0', bridge: BRIDGE.name, rules: NO_RULES };
  const saved = before === undefined ? undefined : { ...record, vlans: vlans(before) };
  return planJoin(
    { ...state(found, saved), port: found },
    {
      call: callOf(found),
      rename: undefined,
      bridge: BRIDGE,
      mtu: BRIDGE.mtu,
      heard: {},
      vlans: wanted === undefined ? undefined : vlans(wanted),
      inPlace: NO_RULES,
      rules: NO_RULES,
      recordPath,
    },
  );
}

const joined = { ...ready, master: BRIDGE.name };

/** vif-bridge with vlan=, by name. */
export const VLAN_CASES: Readonly<Record<string, () => Plan>> = {
  online: () => joinVlans(port('vif1.0'), '10p/20/30-39/50u'),
  'online-with-default': () => joinVlans(port('vif1.0'), '1/10p'),
  'online-again': () => joinVlans(port('vif1.0', joined), '10', '10'),
  'online-other-vlans': () => joinVlans(port('vif1.0', joined), '20', '10p/11'),
  'online-no-vlans': () => joinVlans(port('vif1.0', joined), undefined, '10'),
  'online-first-vlans': () => joinVlans(port('vif1.0', joined), '10'),
};
