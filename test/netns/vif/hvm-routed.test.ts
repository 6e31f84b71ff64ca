import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Command, HookHost } from '../../support/hosts/hook-host.ts';
import type { Host } from '../../support/hosts/host.ts';
import { FINE, type Namespace } from '../../support/hosts/namespace.ts';
import { createRouteHost, get, resetRouteHost, set } from '../../support/hosts/route-host.ts';
import { waitUntil } from '../../support/wait.ts';

/** How a guest behind a hook is told, and what its card's devices are called once they are attached. */
interface Hook {
  readonly hook: 'vif-route' | 'vif-nat';
  readonly values: Readonly<Record<string, string>>;
  readonly addresses: readonly [four: string, six: string];
  /** What the guest's packets go to. */
  readonly gateways: readonly [four: string, six: string];
  readonly name: string;
}

const ROUTED: Hook = {
  hook: 'vif-route',
  values: { ip: '192.0.2.7 2001:db8:9::7' },
  addresses: ['192.0.2.7', '2001:db8:9::7'],
  gateways: ['198.51.100.2', '2001:db8::2'],
  name: 'vif1.0',
};
const NATTED: Hook = {
  hook: 'vif-nat',
  values: { ip: '10.77.0.3/24 2001:db8:9::7' },
  addresses: ['10.77.0.3', '2001:db8:9::7'],
  gateways: ['10.77.0.130', '2001:db8::2'],
  name: 'vif1.0',
};
const CARD_MAC = '00:16:3e:00:00:01';
const named = (hook: Hook): Hook => ({ ...hook, values: { ...hook.values, vifname: 'web' }, name: 'web' });
const OUTSIDE = ['198.51.100.1', '2001:db8::1'] as const;
const ROUTES_COUNT = ['ipv4', 'ipv6'].map((family) => `${family}/conf/NAME/ignore_routes_with_linkdown`);

let hosts: Readonly<Record<Hook['hook'], HookHost>>;
let host: Host;
let outside: Namespace;

beforeAll(async () => {
  const { route, outside: other } = await createRouteHost();
  ({ host } = route);
  outside = other;
  host.ok('rm', '-f', '/etc/dhcp/dhcpd.conf');
  hosts = { 'vif-route': route, 'vif-nat': HookHost.on(route, 'vif-nat') };
  outside.ip(
    'route replace 192.0.2.0/24 via 198.51.100.2',
    'route replace 10.77.0.0/24 via 198.51.100.2',
    'route replace 2001:db8:9::/64 via 2001:db8::2',
  );
});

afterAll(() => host.close());

beforeEach(() => {
  for (const hook of Object.values(hosts)) {
    hook.call('remove', 1);
    hook.call('offline', 1);
  }
  host.run(['ip', 'link', 'del', 'emu0']);
  host.netns('qemu').run(['ip', 'link', 'del', 'dev', 'emu0']);
  host.netns('guest1').run(['ip', 'link', 'del', 'dev', 'emu0']);
  resetRouteHost(hosts['vif-route']);
  filter(0);
});

/** rp_filter of the whole host, and of each device that comes. */
function filter(value: number): void {
  for (const name of ['all', 'default']) set(host, `ipv4/conf/${name}/rp_filter`, value);
}

/** A guest with an emulated card, which QEMU has plugged in, and a vif to which no driver of the guest's is connected. */
function boot({ hook, values }: Hook, mac?: string): Namespace {
  const guest = hosts[hook].card(1, values);
  host.ip('link add vif1.0-emu type veth peer name emu0 netns guest1');
  // Both of a card's devices have its MAC address.
  if (mac !== undefined) guest.ip(`link set emu0 address ${mac}`, `link set eth0 address ${mac}`);
  guest.ip('link set emu0 up');
  return guest;
}

function use(guest: Namespace, device: string, { addresses: [four, six], gateways }: Hook): void {
  guest.ip(
    `link set ${device} up`,
    `address add ${four}/32 dev ${device}`,
    `address add ${six}/128 dev ${device} nodad`,
    ...gateways.flatMap((gateway) => [
      `route add ${gateway} dev ${device}`,
      `route add default via ${gateway} dev ${device}`,
    ]),
  );
}

/** The guest's own driver has QEMU unplug the emulated card, whose tap stays up, and takes its place. */
function change(guest: Namespace, hook: Hook): void {
  const qemu = host.netns('qemu');
  guest.ip('link set emu0 netns qemu');
  qemu.ip('link set emu0 up');
  use(guest, 'eth0', hook);
}

const carrier = (name: string) => host.ok('cat', `/sys/class/net/${name}/carrier`).trim();

/** Each way between the guest, this host and the outside that packets do not take. */
function lost(guest: Namespace, { hook, addresses, gateways }: Hook): string[] {
  const from = (who: string, namespace: Namespace, to: readonly string[]) =>
    to.filter((address) => !namespace.reaches(address)).map((address) => `${who} → ${address}`);
  return [
    ...from('outside', outside, hook === 'vif-route' ? addresses : addresses.slice(1)),
    ...from('dom0', host, addresses),
    ...from('guest', guest, [...gateways, ...(hook === 'vif-route' ? OUTSIDE : OUTSIDE.slice(1))]),
  ];
}

function call(hook: Hook, ...commands: Command[]): void {
  for (const command of commands)
    expect({ command, ran: hosts[hook.hook].call(command, 1, tap) }).toEqual({ command, ran: FINE });
}

const tap = { INTERFACE: 'vif1.0-emu' };

const standing = (name: string) => ROUTES_COUNT.map((path) => get(host, path.replace('NAME', name)));

describe.each([ROUTED, NATTED, named(ROUTED)])('an HVM guest behind $hook as $name', (hook) => {
  test.each([
    ['the vif first', 1, ['online', 'add']],
    ['the vif first', 0, ['online', 'add']],
    ['the tap first', 1, ['add', 'online']],
    ['the tap first', 2, ['add', 'online']],
    ['each of them twice', 1, ['online', 'add', 'online', 'add']],
  ] as const)(
    'is reached before and after its own driver comes: %s, rp_filter=%d',
    async (_what, value, order) => {
      filter(value);
      const guest = boot(hook);
      call(hook, ...order);
      use(guest, 'emu0', hook);
      expect(lost(guest, hook)).toEqual([]);
      change(guest, hook);
      await waitUntil('the tap’s carrier', () => carrier(`${hook.name}-emu`) === '1');
      await waitUntil('the vif’s carrier', () => carrier(hook.name) === '1');
      expect(lost(guest, hook)).toEqual([]);
    },
  );

  test.each([
    ['under the strict filter', { antispoof: 'strict' }, 'ACCEPT'],
    ['where FORWARD drops the rest', {}, 'DROP'],
  ])('is reached before and after the change %s', async (_where, more, policy) => {
    for (const tool of ['iptables', 'ip6tables']) host.ok(tool, '-P', 'FORWARD', policy);
    try {
      const guest = boot(hook, CARD_MAC);
      const { store } = hosts[hook.hook];
      store.vif(1, 0, { ...hook.values, ...more, mac: CARD_MAC });
      call(hook, 'online', 'add');
      use(guest, 'emu0', hook);
      expect(lost(guest, hook)).toEqual([]);
      change(guest, hook);
      await waitUntil('the vif’s carrier', () => carrier(hook.name) === '1');
      expect(lost(guest, hook)).toEqual([]);
      const held = host.run(['nft', 'list', 'table', 'netdev', 'xen_network']).stdout;
      expect(held.includes(`"${hook.name}-emu"`)).toBe('antispoof' in more);
    } finally {
      for (const tool of ['iptables', 'ip6tables']) host.ok(tool, '-P', 'FORWARD', 'ACCEPT');
    }
  });

  test('that is attached again after the change is reached still', async () => {
    const guest = boot(hook);
    call(hook, 'online', 'add');
    change(guest, hook);
    call(hook, 'online', 'add', 'add', 'online');
    await waitUntil('the vif’s carrier', () => carrier(hook.name) === '1');
    expect(lost(guest, hook)).toEqual([]);
  });

  test('is reached by the one when the other goes', async () => {
    const guest = boot(hook);
    call(hook, 'online', 'add');
    use(guest, 'emu0', hook);
    expect(standing(hook.name)).toEqual(['1', '1']);
    call(hook, 'offline');
    expect(lost(guest, hook)).toEqual([]);
    call(hook, 'online');
    change(guest, hook);
    call(hook, 'remove');
    expect(standing(hook.name)).toEqual(['0', '0']);
    await waitUntil('the vif’s carrier', () => carrier(hook.name) === '1');
    expect(lost(guest, hook)).toEqual([]);
  });

  test.each([
    [
      ['online', 'add'],
      ['offline', 'remove'],
    ],
    [
      ['online', 'add'],
      ['remove', 'offline'],
    ],
    [
      ['add', 'online'],
      ['offline', 'remove'],
    ],
    [
      ['add', 'online'],
      ['remove', 'offline'],
    ],
  ] as const)('leaves nothing: %s, %s', async (coming, going) => {
    const before = await host.settled();
    boot(hook);
    call(hook, ...coming);
    call(hook, ...going);
    expect(standing(hook.name)).toEqual(['0', '0']);
    hosts[hook.hook].unplug(1);
    host.netns('guest1').ip('link del emu0');
    expect(await host.snapshotLike(before)).toEqual(before);
  });
});

test('a guest without an emulated card does not stand back: what is sent to it goes nowhere else', () => {
  hosts['vif-route'].card(1, ROUTED.values);
  expect(hosts['vif-route'].call('online', 1)).toEqual(FINE);
  expect(standing('vif1.0')).toEqual(['0', '0']);
});

test('an administrator’s own wish for all devices stays', () => {
  for (const path of ROUTES_COUNT) set(host, path.replace('NAME', 'default'), 1);
  try {
    boot(ROUTED);
    call(ROUTED, 'online', 'add', 'remove');
    expect(standing('vif1.0')).toEqual(['1', '1']);
  } finally {
    for (const path of ROUTES_COUNT) set(host, path.replace('NAME', 'default'), 0);
  }
});
