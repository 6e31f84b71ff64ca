import { afterEach, expect, test } from 'vitest';
import { Host, xlEnv } from '../../support/hosts/host.ts';
import { guestMac, strictElementsIn } from '../../support/hosts/strict-host.ts';
import { startOpenVswitch } from '../../support/openvswitch.ts';
import type { Store } from '../../support/xenstore/store.ts';

// Many hooks at the same moment. No test here looks at a clock: a hook that waits too long says so by its status.

const DOMIDS = Array.from({ length: 40 }, (_, i) => i + 1);

/** A kind of guest. */
interface Kind {
  readonly what: string;
  readonly hook: string;
  readonly values: (domid: number) => Readonly<Record<string, string>>;
  /** What a guest has on the host while it is connected, one line for each part. */
  readonly parts: (domid: number) => readonly string[];
}

const vif = (domid: number) => `vif${domid}.0`;
const backend = (domid: number) => `/local/domain/0/backend/vif/${domid}/0`;
const bridged = (domid: number) => ({ bridge: 'xenbr0', ip: `192.0.2.${100 + domid}` });
const routed = (domid: number) => ({ ip: `198.51.100.${domid}` });
const nat = (domid: number) => ({ ip: `10.0.1.${domid}` });
const LOCKED = { locking: 'locked' };

const KINDS: readonly [Kind, ...Kind[]] = [
  {
    what: 'bridged guests with compatible rules',
    hook: 'vif-bridge',
    values: bridged,
    parts: (domid) => [`port ${vif(domid)} of xenbr0`, ...Array(3).fill(`rule of ${vif(domid)}`)],
  },
  {
    what: 'strict bridged guests',
    hook: 'vif-bridge',
    values: (domid) => ({ ...bridged(domid), ...LOCKED }),
    // Under a FORWARD that drops they have rules as well.
    parts: (domid) => [...KINDS[0].parts(domid), `strict ${vif(domid)}`],
  },
  {
    what: 'routed guests',
    hook: 'vif-route',
    values: routed,
    parts: (domid) => [`route 198.51.100.${domid} to ${vif(domid)}`],
  },
  {
    what: 'strict routed guests',
    hook: 'vif-route',
    values: (domid) => ({ ...routed(domid), ...LOCKED }),
    parts: (domid) => [`route 198.51.100.${domid} to ${vif(domid)}`, `strict ${vif(domid)}`],
  },
  {
    what: 'NAT guests',
    hook: 'vif-nat',
    values: nat,
    parts: (domid) => [`route 10.0.1.${domid} to ${vif(domid)}`],
  },
  {
    what: 'strict NAT guests',
    hook: 'vif-nat',
    values: (domid) => ({ ...nat(domid), ...LOCKED }),
    parts: (domid) => [`route 10.0.1.${domid} to ${vif(domid)}`, `strict ${vif(domid)}`],
  },
  {
    what: 'guests on Open vSwitch',
    hook: 'vif-openvswitch',
    values: () => ({ bridge: 'ovs0' }),
    parts: (domid) => [`port ${vif(domid)} of ovs0`],
  },
];

let host: Host;
let store: Store;

afterEach(() => host.close());

async function raise({ hook, values }: Kind): Promise<void> {
  host = await Host.create();
  host.nic('eth0', { address: '192.0.2.2/24', gateway: '192.0.2.1' });
  host.ok('rm', '-f', '/etc/dhcp/dhcpd.conf');
  host.ok('iptables', '-P', 'FORWARD', 'DROP');
  store = await host.xenstore();
  if (hook === 'vif-openvswitch') startOpenVswitch(host, 'ovs0');
  if (hook === 'vif-bridge') host.ip('link add xenbr0 type bridge', 'link set xenbr0 up');
  host.netns('guests');
  host.ip(...DOMIDS.map((domid) => `link add ${vif(domid)} type veth peer name g${domid} netns guests`));
  const entries = DOMIDS.flatMap((domid) => {
    const fixed = { handle: '0', 'frontend-id': `${domid}`, frontend: `/local/domain/${domid}/device/vif/0` };
    const card = { mac: guestMac(domid), ...fixed, ...values(domid) };
    return Object.entries(card).map(([key, value]) => [`${backend(domid)}/${key}`, value]);
  });
  store.write(Object.fromEntries(entries));
}

/** The guests that were told that they are connected, in order. */
function connected(): number[] {
  const told = store.list('/local/domain/0/backend/vif').join('\n');
  return [...told.matchAll(/\/vif\/(\d+)\/0\/hotplug-status = "connected"/g)]
    .map(([, domid]) => Number(domid))
    .sort((a, b) => a - b);
}

/** Calls hooks of many guests at once; a sentence for each that failed. */
async function atOnce(
  hook: string,
  calls: readonly (readonly [domid: number, command: 'online' | 'offline'])[],
): Promise<string[]> {
  const ran = await Promise.all(
    calls.map(([domid, command]) => host.startHook(hook, [command, 'type_if=vif', 'dhcp=no'], xlEnv(domid))),
  );
  return ran.flatMap(({ status, stderr }, i) =>
    status === 0 ? [] : [`${calls[i]?.join(' ')}: status ${status}, ${stderr}`],
  );
}

/** All parts of all guests that the host has, in order. */
function found({ hook }: Kind): string[] {
  const ofBridge = hook === 'vif-bridge' ? host.ok('ip', '-o', 'link', 'show', 'master', 'xenbr0') : '';
  const ofSwitch = hook === 'vif-openvswitch' ? host.ok('ovs-vsctl', 'list-ports', 'ovs0') : '';
  const ports = [...ofBridge.matchAll(/^\d+: (vif\d+\.0)@\S+ <\S*\bUP\b/gm)].map(
    ([, name]) => `port ${name} of xenbr0`,
  );
  const switched = ofSwitch.split('\n').filter(Boolean);
  const routes = [...host.ok('ip', '-4', 'route', 'show').matchAll(/^(\S+) dev (vif\S+)/gm)];
  const rules = [...host.ok('iptables', '-S', 'FORWARD').matchAll(/^-A .*--physdev-\w+ (vif\S+) /gm)];
  const strict = new Set(strictElementsIn(host).flatMap((element) => /vif\d+\.0/.exec(element) ?? []));
  return [
    ...ports,
    ...switched.map((name) => `port ${name} of ovs0`),
    ...routes.map(([, address, name]) => `route ${address} to ${name}`),
    ...(hook === 'vif-bridge' ? rules.map(([, name]) => `rule of ${name}`) : []),
    ...[...strict].map((name) => `strict ${name}`),
  ].sort();
}

test.each(KINDS)(
  '$what: forty come at once, change over beside a refilter, and go; nobody is lost',
  async (kind) => {
    await raise(kind);
    const online = (domid: number) => [domid, 'online'] as const;
    const offline = (domid: number) => [domid, 'offline'] as const;
    const parts = (domids: readonly number[]) => domids.flatMap(kind.parts).sort();

    const half = DOMIDS.filter((domid) => domid % 2 === 0);
    const others = DOMIDS.filter((domid) => domid % 2 === 1);
    expect(await atOnce(kind.hook, DOMIDS.map(online))).toEqual([]);
    expect(connected()).toEqual(DOMIDS);
    expect(found(kind)).toEqual(parts(DOMIDS));

    expect(await atOnce(kind.hook, half.map(offline))).toEqual([]);
    for (const domid of half) store.remove(`${backend(domid)}/hotplug-status`);
    expect(connected()).toEqual(others);
    expect(found(kind)).toEqual(parts(others));

    const [failed, refiltered] = await Promise.all([
      atOnce(kind.hook, [...half.map(online), ...others.map(offline)]),
      host.startHook('xen-network', ['refilter']),
    ]);
    expect(failed).toEqual([]);
    expect(refiltered).toMatchObject({ status: 0 });
    expect(connected()).toEqual(expect.arrayContaining(half));
    expect(found(kind)).toEqual(parts(half));

    expect(await atOnce(kind.hook, half.map(offline))).toEqual([]);
    expect(found(kind)).toEqual([]);
  },
);
