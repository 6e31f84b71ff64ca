import type { Snapshot } from '../models/snapshot.ts';
import type { Store } from '../xenstore/store.ts';
import { Host, type HostOptions, xlEnv } from './host.ts';
import type { Namespace, Ran } from './namespace.ts';

type Values = Readonly<Record<string, string>>;

/** What a DHCP client was told: its script's variables, without "new_". */
export type Told = Readonly<Record<string, string>>;

// What dhclient runs: it takes the address and the gateway, and writes down all that it was told.
const CLIENT_SCRIPT = `#!/bin/sh
case $reason in BOUND | REBOOT) ;; *) exit 0 ;; esac
ip address add "$new_ip_address/$new_subnet_mask" dev "$interface"
[ -z "$new_routers" ] || ip route add default via "$new_routers" dev "$interface"
set | sed -n "s/^new_\\([a-z_]*\\)='\\(.*\\)'$/\\1=\\2/p" >"$told"
`;

/** A host with one card, eth0, on which network hooks are started and guests come and go. */
export class NetHost {
  readonly host: Host;
  readonly store: Store;
  /** The other end of eth0: 192.0.2.1 and 2001:db8::1. It has no route to any guest. */
  readonly outside: Namespace;

  private constructor(host: Host, store: Store, outside: Namespace) {
    this.host = host;
    this.store = store;
    this.outside = outside;
  }

  /**
   * Makes one; close its host when done.
   * @param options how its host differs from the usual
   */
  static async create(options: HostOptions = {}): Promise<NetHost> {
    const host = await Host.create(options);
    const outside = host.nic('eth0', {
      address: '192.0.2.2/24',
      gateway: '192.0.2.1',
      address6: '2001:db8::2/64',
      gateway6: '2001:db8::1',
    });
    host.write('/etc/resolv.conf', 'search example.org\nnameserver 127.0.0.53\nnameserver 192.0.2.1\n');
    return new NetHost(host, await host.xenstore(), outside);
  }

  /** Calls a hook, which has to succeed without a word. */
  ok(hook: string, ...words: string[]): void {
    const { status, stderr } = this.host.hook(hook, words);
    if (status !== 0 || stderr !== '') throw new Error(`${hook} ${words.join(' ')}: ${status} ${stderr}`);
  }

  /** Calls a hook, which has to succeed without a word, and looks at the host when it has come to rest. */
  async after(hook: string, ...words: string[]): Promise<Snapshot> {
    this.ok(hook, ...words);
    return this.host.settled();
  }

  /**
   * A guest whose card a vif hook has put to use.
   * @param hook the vif hook
   * @param domid the guest's domain
   * @param values what xenstore holds of its card
   * @param words what the hook is given beside
   * @returns the guest's namespace, with its card up
   */
  guest(hook: string, domid: number, values: Values = {}, words: readonly string[] = []): Namespace {
    const guest = this.card(domid, values);
    const ran = this.call(hook, 'online', domid, words);
    if (ran.status !== 0) throw new Error(`${hook} online: ${ran.stderr}`);
    guest.ip('link set eth0 up');
    return guest;
  }

  /** A guest's card with its entries in xenstore, which no hook has seen yet. */
  card(domid: number, values: Values = {}): Namespace {
    const guest = this.host.vif(domid);
    const [, mac = ''] = /link\/ether (\S+)/.exec(guest.ok('ip', 'link', 'show', 'eth0')) ?? [];
    this.store.vif(domid, 0, { mac, ...values });
    return guest;
  }

  /** Calls a vif hook as xl does. */
  call(hook: string, command: 'online' | 'offline', domid: number, words: readonly string[] = []): Ran {
    return this.host.hook(hook, [command, 'type_if=vif', ...words], xlEnv(domid));
  }

  /** Takes a guest away as xl does. */
  end(hook: string, domid: number, words: readonly string[] = []): void {
    this.call(hook, 'offline', domid, words);
    this.host.netns(`guest${domid}`).run(['ip', 'link', 'del', 'dev', 'eth0']);
    this.store.forget(domid, 0);
  }

  /**
   * Lets a guest ask for its address by a real DHCP client.
   * @param domid the guest's domain
   * @returns what it was told; undefined when nobody answered in time
   */
  lease(domid: number): Told | undefined {
    const { host } = this;
    host.write('/run/dhclient-script', CLIENT_SCRIPT, '755');
    const told = `/run/told${domid}`;
    const files = ['-lf', `/run/leases${domid}`, '-pf', `/run/dhclient${domid}.pid`];
    const words = ['-4', '-1', '-sf', '/run/dhclient-script', ...files, '-e', `told=${told}`, 'eth0'];
    const ran = host.netns(`guest${domid}`).run(['timeout', '280', 'dhclient', ...words]);
    if (ran.status !== 0) return undefined;
    const lines = host.ok('cat', told).trim().split('\n');
    return Object.fromEntries(lines.map((line) => line.split('=')));
  }

  /** Ends a guest's DHCP client. */
  endClient(domid: number): void {
    this.host.ok('sh', '-c', `kill "$(cat /run/dhclient${domid}.pid)"`);
  }

  /** Lets a private dhcpd be used that no service manager knows, with a file made by hand. */
  dhcpd(conf = '# made by hand\nddns-update-style none;\n'): void {
    const { host } = this;
    host.ok('rm', '-f', '/etc/init.d/isc-dhcp-server');
    host.ok('mount', '-t', 'tmpfs', 'tmpfs', '/var/lib/dhcp');
    host.ok('touch', '/var/lib/dhcp/dhcpd.leases');
    host.write('/etc/dhcp/dhcpd.conf', conf);
  }

  /** FORWARD, or another chain, as administrators list it. */
  rules(table = 'filter', chain = 'FORWARD', family: 4 | 6 = 4): string[] {
    const tool = family === 4 ? 'iptables' : 'ip6tables';
    return this.host.ok(tool, '-t', table, '-S', chain).trim().split('\n');
  }
}
