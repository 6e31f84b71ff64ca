import { expect } from 'vitest';
import { type Host, xlEnv } from '../support/hosts/host.ts';
import type { Namespace } from '../support/hosts/namespace.ts';
import { NetHost } from '../support/hosts/net-host.ts';
import { waitUntil } from '../support/wait.ts';

/** What a document's line `vif = [ '…' ]` says of a card. */
export type Card = Readonly<Record<string, string>>;

/**
 * Creates a guest as xl does from its configuration: card, xenstore, hook.
 * @param host where
 * @param domid the guest's domain
 * @param card what the document configures
 * @returns the guest, with its card up
 */
export async function createGuest(host: Host, domid: number, card: Card): Promise<Namespace> {
  const { script = 'vif-bridge', ...values } = card;
  const store = await host.xenstore();
  const guest = host.vif(domid);
  const mac = card['mac'] ?? `00:16:3e:00:${domid.toString(16).padStart(2, '0')}:00`;
  guest.ip(`link set dev eth0 address ${mac}`, 'link set eth0 up');
  const path = `/etc/xen/scripts/${script}`;
  store.vif(domid, 0, { mac, ...values, script: path });
  const ran = host.hook(script, ['online', 'type_if=vif'], xlEnv(domid, 0, { script: path }));
  const { status } = store.told(domid);
  expect({ ...ran, told: status }).toMatchObject({ stderr: ran.stderr, status: 0, told: 'connected' });
  return guest;
}

/** A host whose eth0 has 192.0.2.2/24 and, where asked for, 2001:db8::2/64; its gateway has the 1 of both. */
export async function plainHost(families: 4 | 46 = 4): Promise<NetHost> {
  const net = await NetHost.create();
  if (families === 4)
    net.host.ok('sh', '-c', 'ip -6 route del default; ip -6 address flush dev eth0 scope global');
  net.host.ok('rm', '-f', '/etc/dhcp/dhcpd.conf');
  return net;
}

/** Gives a guest's eth0 an address, and dom0 as its gateway on the link. */
export function routeBy(guest: Namespace, address: string, gateway: string): void {
  guest.ip(
    `address add ${address}/32 dev eth0`,
    `route add ${gateway} dev eth0`,
    `route add default via ${gateway}`,
  );
}

/** The ports of a bridge. */
export function portsOf(host: Namespace, bridge: string): string[] {
  return host.ok('ls', `/sys/class/net/${bridge}/brif`).split('\n').filter(Boolean);
}

/** Waits until a machine reaches an address: a bridge sees a port's carrier a little later than the port has it. */
export async function reaches(from: Namespace, address: string): Promise<void> {
  await waitUntil(`an answer of ${address}`, () => from.reaches(address));
}
