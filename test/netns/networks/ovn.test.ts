import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HookHost } from '../../support/hosts/hook-host.ts';
import { FINE, type Namespace } from '../../support/hosts/namespace.ts';
import { startCentral, startController, startUnderlay } from '../../support/ovn.ts';
import { waitUntil } from '../../support/wait.ts';
import { Watch } from '../../support/watch.ts';

// Two hosts with a real OVN, as docs/guide.md has it ("vif-openvswitch"): one logical switch over both.
const [FIRST, SECOND] = ['172.31.0.1', '172.31.0.2'] as const;
const SWITCH = 'sw0';

/** A guest of the logical switch; its port has the name that vif-openvswitch makes of its MAC address. */
interface Guest {
  readonly domid: number;
  readonly mac: string;
  readonly address: string;
}

const WEB: Guest = { domid: 1, mac: '00:16:3e:00:00:11', address: '192.0.2.11' };
const MAIL: Guest = { domid: 2, mac: '00:16:3e:00:00:12', address: '192.0.2.12' };

let one: HookHost;
let two: HookHost;

beforeAll(async () => {
  [one, two] = await Promise.all([HookHost.create('vif-openvswitch'), HookHost.create('vif-openvswitch')]);
  one.host.cable('cable0', two.host);
  startUnderlay(one.host, 'cable0', `${FIRST}/24`);
  startUnderlay(two.host, 'cable0', `${SECOND}/24`);
  startCentral(one.host, FIRST);
  startController(one.host, 'one', FIRST, FIRST);
  startController(two.host, 'two', FIRST, SECOND);
  one.host.ok('ovn-nbctl', 'ls-add', SWITCH);
  for (const { mac, address } of [WEB, MAIL]) {
    one.host.ok('ovn-nbctl', 'lsp-add', SWITCH, mac);
    one.host.ok('ovn-nbctl', 'lsp-set-addresses', mac, `${mac} ${address}`);
  }
  for (const guest of [WEB, MAIL]) secure(guest);
  await waitUntil('br-int on both hosts', () =>
    [one, two].every(({ host }) => host.ok('ovs-vsctl', 'list-br').includes('br-int')),
  );
});

afterAll(() => Promise.all([one, two].map(({ host }) => host.close())));

beforeEach(() => {
  for (const hooks of [one, two]) for (const { domid } of [WEB, MAIL]) unplug(hooks, domid);
});

/** Detaches a guest and takes its card away; the taps that are the switch's own bridges stay. */
function unplug(hooks: HookHost, domid: number): void {
  expect(hooks.call('offline', domid)).toEqual(FINE);
  hooks.host.netns(`guest${domid}`).run(['ip', 'link', 'del', 'dev', 'eth0']);
  hooks.store.forget(domid, 0);
}

/** Says what a guest may send; anything for the empty text. */
function secure({ mac, address }: Guest, may = `${mac} ${address}`): void {
  one.host.ok('ovn-nbctl', '--wait=hv', 'lsp-set-port-security', mac, ...(may === '' ? [] : [may]));
}

/** Attaches a guest to the logical switch on a host, and gives its card the guest's addresses. */
async function attach(hooks: HookHost, guest: Guest): Promise<Namespace> {
  const { domid, mac, address } = guest;
  const machine = hooks.host.vif(domid);
  hooks.store.vif(domid, 0, { bridge: 'br-int', mac });
  machine.ip(`link set eth0 address ${mac} up`, `address add ${address}/24 dev eth0`);
  hooks.store.write({
    [`/local/domain/${domid}/vm`]: `/vm/${domid}`,
    [`/vm/${domid}/name`]: `guest${domid}`,
  });
  expect(hooks.call('online', domid)).toEqual(FINE);
  await waitUntil(`${mac} to be up`, () => one.host.ok('ovn-nbctl', 'lsp-get-up', mac).trim() === 'up');
  return machine;
}

/** On which host OVN has a guest's port; undefined for none. */
function chassis({ mac }: Guest): string | undefined {
  const row = one.host.ok(
    'ovn-sbctl',
    '--bare',
    '--columns=chassis',
    'find',
    'port_binding',
    `logical_port="${mac}"`,
  );
  const uuid = row.trim();
  return uuid === ''
    ? undefined
    : one.host.ok('ovn-sbctl', 'get', 'chassis', uuid, 'name').replaceAll('"', '').trim();
}

/** A tunnel and its flows come a moment after the port. */
async function reaches(from: Namespace, { address }: Guest): Promise<void> {
  await waitUntil(`an answer of ${address}`, () => from.reaches(address));
}

test('guests of one logical switch reach each other from host to host', async () => {
  const [web, mail] = [await attach(one, WEB), await attach(two, MAIL)];
  expect([chassis(WEB), chassis(MAIL)]).toEqual(['one', 'two']);
  expect(one.host.ok('ovn-sbctl', 'show')).toContain(`Port_Binding "${MAIL.mac}"`);
  await reaches(web, MAIL);
  await reaches(mail, WEB);
  expect(one.host.ok('ovs-vsctl', 'list-ports', 'br-int')).toMatch(/^ovn-two-\d$/m);
});

describe('port security', () => {
  test.each([
    ['address', 'address add 192.0.2.66/24 dev eth0', 'ip saddr 192.0.2.66', ['-I', '192.0.2.66']],
    ['MAC address', 'link set eth0 address 00:16:3e:00:00:66', 'ether saddr 00:16:3e:00:00:66', []],
  ])('keeps a forged %s from the other host', async (_what, forge, kind, source) => {
    const [web, mail] = [await attach(one, WEB), await attach(two, MAIL)];
    await reaches(web, MAIL);
    const forged = new Watch(mail, kind);
    forged.start();
    web.ip(forge, `neigh replace ${MAIL.address} lladdr ${MAIL.mac} dev eth0`);
    expect(web.reaches(MAIL.address, ...source)).toBe(false);
    expect(forged.count()).toBe(0);
    secure(WEB, '');
    try {
      await waitUntil('the forged packets, with no port security', () => {
        web.reaches(MAIL.address, ...source);
        return forged.count() > 0;
      });
    } finally {
      secure(WEB);
    }
  });
});

test('a guest that moves to the other host takes its port along', async () => {
  const mail = await attach(two, MAIL);
  await reaches(await attach(one, WEB), MAIL);

  // xl attaches the guest on its new host before it detaches it from the old one.
  one.host.ok('ovn-nbctl', '--wait=hv', 'lsp-set-options', WEB.mac, 'requested-chassis=two');
  const moved = await attach(two, WEB);
  await waitUntil('the port on the second host', () => chassis(WEB) === 'two');
  await reaches(moved, MAIL);
  expect(one.call('offline', WEB.domid)).toEqual(FINE);
  await reaches(mail, WEB);
  expect(chassis(WEB)).toBe('two');
  expect(one.host.ok('ovs-vsctl', 'list-ports', 'br-int')).not.toContain('vif');
  expect(one.host.snapshot()['files']).toEqual([]);
  one.host.ok('ovn-nbctl', '--wait=hv', 'lsp-set-options', WEB.mac);
});

test('without a word about it, the port is where the guest is in the end', async () => {
  await attach(one, WEB);
  const moved = await attach(two, WEB);
  expect(one.call('offline', WEB.domid)).toEqual(FINE);
  await waitUntil('the port on the second host', () => chassis(WEB) === 'two');
  await reaches(await attach(one, MAIL), WEB);
  await reaches(moved, MAIL);
});

test('a port whose guest has gone is on no host', async () => {
  await attach(one, WEB);
  expect(one.call('offline', WEB.domid)).toEqual(FINE);
  await waitUntil('the port on no host', () => chassis(WEB) === undefined);
  expect(one.host.ok('ovn-nbctl', 'lsp-get-up', WEB.mac).trim()).toBe('down');
});
