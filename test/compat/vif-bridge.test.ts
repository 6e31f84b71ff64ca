import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { xlEnv } from '../support/hosts/host.ts';
import { VifHost } from '../support/hosts/vif-host.ts';
import type { Snapshot } from '../support/models/snapshot.ts';
import { DIFFERENCES, type Outcome, type Pair } from './differences.ts';

/** One call, after what happens on the host before it. */
interface Call {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly before?: (vif: VifHost) => void;
}

interface Scenario {
  readonly what: string;
  /** What xenstore says of the card. */
  readonly values?: Readonly<Record<string, string>>;
  readonly prepare?: (vif: VifHost) => void;
  readonly calls: readonly Call[];
}

const TAP = { INTERFACE: 'vif1.0-emu' };
const online: Call = { args: ['online', 'type_if=vif'] };
const offline: Call = { args: ['offline', 'type_if=vif'] };
const add: Call = { args: ['add', 'type_if=tap'], env: TAP };
const remove: Call = { args: ['remove', 'type_if=tap'], env: TAP };
const tap = ({ host }: VifHost) => host.tap(1);
const secondBridge = ({ host }: VifHost) =>
  host.ip('link add br9 address 02:00:00:00:00:09 type bridge', 'link set br9 mtu 1400');

const SCENARIOS: readonly Scenario[] = [
  { what: 'online, offline', calls: [online, offline] },
  { what: 'offline of a vif that never was online', calls: [offline] },
  { what: 'offline twice', calls: [online, offline, offline] },
  { what: 'online twice', values: { ip: '192.0.2.7' }, calls: [online, online, offline] },
  { what: 'online, offline, online', calls: [online, offline, online] },
  { what: 'a tap', prepare: tap, calls: [add, remove] },
  {
    what: 'a vif and its tap',
    values: { ip: '192.0.2.7' },
    prepare: tap,
    calls: [{ ...online, env: TAP }, add, remove, { ...offline, env: TAP }],
  },
  { what: 'one address', values: { ip: '192.0.2.7' }, calls: [online, offline] },
  {
    what: 'addresses and ranges',
    values: { ip: '192.0.2.7 10.0.0.0/8 198.51.100.0/24' },
    calls: [online, offline],
  },
  { what: 'IPv4 and IPv6 addresses', values: { ip: '192.0.2.7 2001:db8::7' }, calls: [online, offline] },
  { what: 'a vifname', values: { vifname: 'web', ip: '192.0.2.7' }, calls: [online, offline] },
  { what: 'a vifname for a tap', values: { vifname: 'web' }, prepare: tap, calls: [add, remove] },
  { what: 'a vifname over 15 characters', values: { vifname: 'webserver-number-one' }, calls: [online] },
  { what: 'renamed, online twice', values: { vifname: 'web' }, calls: [online, online] },
  {
    what: 'a vifname that another device has',
    values: { vifname: 'web' },
    prepare: ({ host }) => host.ip('link add web address 02:00:00:00:00:08 type bridge'),
    calls: [online],
  },
  { what: 'an MTU', values: { mtu: '1400' }, calls: [online, offline] },
  { what: 'an MTU and a vifname', values: { mtu: '1400', vifname: 'web' }, calls: [online] },
  { what: "a bridge's own MTU", values: { bridge: 'br9' }, prepare: secondBridge, calls: [online, offline] },
  { what: 'no bridge given, two there', prepare: secondBridge, calls: [online, offline] },
  {
    what: 'a bridge by argument',
    prepare: secondBridge,
    calls: [{ args: ['online', 'bridge=br9'] }, offline],
  },
  {
    what: 'a bridge by argument and another in xenstore',
    values: { bridge: 'xenbr0' },
    prepare: secondBridge,
    calls: [{ args: ['bridge=br9', 'online'] }, offline],
  },
  { what: 'a bridge by environment', prepare: secondBridge, calls: [{ ...online, env: { bridge: 'br9' } }] },
  {
    what: 'an address by argument',
    calls: [{ args: ['online', 'ip=192.0.2.7'] }, { args: ['offline', 'ip=192.0.2.7'] }],
  },
  {
    what: 'xenbr5 means eth5',
    values: { bridge: 'xenbr5' },
    prepare: ({ host }) => host.ip('link add eth5 address 02:00:00:00:00:05 type bridge'),
    calls: [online, offline],
  },
  { what: 'a missing bridge', values: { bridge: 'nosuch' }, calls: [online] },
  { what: 'a missing bridge, renamed', values: { bridge: 'nosuch', vifname: 'web' }, calls: [online] },
  {
    what: 'the bridge gone before offline',
    values: { bridge: 'br9', ip: '192.0.2.7' },
    prepare: secondBridge,
    calls: [online, { ...offline, before: ({ host }) => host.ip('link del br9') }],
  },
  {
    what: 'the vif gone before offline',
    values: { ip: '192.0.2.7', bridge: 'xenbr0' },
    calls: [online, { ...offline, before: ({ host }) => host.ip('link del vif1.0') }],
  },
  {
    what: 'an absolute XENBUS_PATH',
    calls: [{ ...online, env: { XENBUS_PATH: '/local/domain/0/backend/vif/1/0' } }],
  },
  {
    what: 'a command that does not fit the type',
    calls: [{ args: ['online', 'type_if=tap'], env: TAP }, { args: ['add'] }],
  },
  { what: 'an unknown command', calls: [{ args: ['start'] }] },
  { what: 'an unknown type', calls: [{ args: ['online', 'type_if=tun'] }] },
  {
    what: "rules of the administrator's own",
    values: { ip: '192.0.2.7' },
    prepare: ({ host }) => void host.ok('iptables', '-A', 'FORWARD', '-s', '203.0.113.0/24', '-j', 'DROP'),
    calls: [online, offline],
  },
];

let stock: VifHost;
let ours: VifHost;
const used = new Set<string>();

beforeAll(async () => {
  [stock, ours] = await Promise.all([VifHost.create({ scripts: 'stock' }), VifHost.create()]);
});

afterAll(async () => {
  await Promise.all([stock, ours].map(({ host }) => host.close()));
});

/** Back to a host with xenbr0 and one guest's card that nobody has touched. */
function reset(vif: VifHost, { values = {}, prepare }: Scenario): void {
  const { host, store } = vif;
  for (const [name] of host.ok('ip', '-br', 'link', 'show', 'type', 'bridge').matchAll(/^\S+/gm)) {
    if (name !== 'xenbr0') host.ip(`link del ${name}`);
  }
  host.ok('sh', '-c', 'iptables -F; ip6tables -F; rm -rf /run/xen-network; ip link set xenbr0 mtu 1500');
  store.remove('/local/domain');
  vif.card(1, values);
  prepare?.(vif);
}

async function perform(
  vif: VifHost,
  { args, env = {}, before }: Call,
): Promise<{ outcome: Outcome; snapshot: Snapshot }> {
  before?.(vif);
  const { status } = await vif.host.startHook('vif-bridge', args, xlEnv(1, 0, env));
  const snapshot = vif.host.snapshot();
  return {
    snapshot,
    outcome: { status: [`${status}`], ...snapshot, xenstore: vif.store.list('/local/domain') },
  };
}

/** The pair without the differences that are wanted. */
function reconciled(what: string, pair: Pair): Pair {
  let rest = pair;
  for (const { name, only, without } of DIFFERENCES) {
    if (only !== undefined && !only.test(what)) continue;
    const next = without(rest);
    if (next !== rest) used.add(name);
    rest = next;
  }
  return rest;
}

describe('vif-bridge ends as the stock script does', () => {
  test.each(SCENARIOS)('$what', async (scenario) => {
    for (const vif of [stock, ours]) reset(vif, scenario);
    for (const call of scenario.calls) {
      const [theirs, own] = await Promise.all([perform(stock, call), perform(ours, call)]);
      const pair = reconciled(scenario.what, { stock: theirs.outcome, ours: own.outcome });
      expect({ call, ...pair.ours }).toEqual({ call, ...pair.stock });
    }
  });

  test('but for differences that all show', () => {
    expect(DIFFERENCES.map(({ name }) => name).filter((name) => !used.has(name))).toEqual([]);
  });
});
