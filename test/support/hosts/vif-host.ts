import type { Store } from '../xenstore/store.ts';
import { Host, type HostOptions, xlEnv } from './host.ts';
import type { Ran } from './namespace.ts';

/** The comment by which our rules are told from others'. */
export const OWNER = / -m comment --comment "xen-network [^"]*"/g;

/** A host with a bridge xenbr0, an xenstore, and guests' network cards on demand. */
export class VifHost {
  readonly host: Host;
  readonly store: Store;

  private constructor(host: Host, store: Store) {
    this.host = host;
    this.store = store;
  }

  /**
   * Makes one; close its host when done.
   * @param options how its host differs from the usual
   */
  static async create(options: HostOptions = {}): Promise<VifHost> {
    const host = await Host.create(options);
    const store = await host.xenstore();
    const vif = new VifHost(host, store);
    vif.makeBridge();
    return vif;
  }

  /** Makes xenbr0, without IPv6 of its own: its link-local address would come some time after its first port. */
  makeBridge(): void {
    this.host.ip('link add xenbr0 address 02:00:00:00:00:01 type bridge');
    this.host.ok('sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/xenbr0/disable_ipv6; ip link set xenbr0 up');
  }

  /**
   * A guest's network card with its entries in xenstore, made anew where it is there already.
   * @param domid the guest's domain
   * @param values what is configured: bridge, ip, vifname, mtu
   * @param devid which of its cards
   */
  card(domid: number, values: Readonly<Record<string, string>> = {}, devid = 0): void {
    this.unplug(domid, devid);
    this.host.vif(domid, devid);
    this.store.vif(domid, devid, values);
  }

  /**
   * Takes a guest's network card away, whatever it is called by now, as netback and xl do when the guest ends.
   * @param domid the guest's domain
   * @param devid which of its cards
   */
  unplug(domid: number, devid = 0): void {
    this.host.netns(`guest${domid}`).run(['ip', 'link', 'del', 'dev', `eth${devid}`]);
    const taps = this.host.ok('ip', '-br', 'link', 'show', 'type', 'tun').matchAll(/^\S+/gm);
    for (const [tap] of taps) this.host.ok('ip', 'link', 'del', 'dev', tap);
    this.store.forget(domid, devid);
  }

  /** Back to a host with xenbr0 on which no hook was ever called for the guests 1 and 2. */
  reset(): void {
    for (const domid of [1, 2]) this.unplug(domid);
    const clean =
      'rm -rf /run/xen-network /etc/xen/scripts/vif-post.d; ip link set xenbr0 mtu 1500; iptables -F; ip6tables -F';
    this.host.ok('sh', '-c', clean);
  }

  /**
   * The line that a snapshot has for a device.
   * @param name the device
   */
  link(name: string): string | undefined {
    return this.host.snapshot()['links']?.find((line) => line.startsWith(`${name} `));
  }

  online(domid: number, more: Readonly<Record<string, string>> = {}): Ran {
    return this.host.hook('vif-bridge', ['online', 'type_if=vif'], xlEnv(domid, 0, more));
  }

  offline(domid: number, more: Readonly<Record<string, string>> = {}): Ran {
    return this.host.hook('vif-bridge', ['offline', 'type_if=vif'], xlEnv(domid, 0, more));
  }

  add(domid: number): Ran {
    return this.host.hook(
      'vif-bridge',
      ['add', 'type_if=tap'],
      xlEnv(domid, 0, { INTERFACE: `vif${domid}.0-emu` }),
    );
  }

  remove(domid: number): Ran {
    return this.host.hook(
      'vif-bridge',
      ['remove', 'type_if=tap'],
      xlEnv(domid, 0, { INTERFACE: `vif${domid}.0-emu` }),
    );
  }

  /** FORWARD as administrators list it, but for the comments that say whose each rule is. */
  forward(family: 4 | 6 = 4): string[] {
    return this.host
      .ok(family === 4 ? 'iptables' : 'ip6tables', '-S', 'FORWARD')
      .replace(OWNER, '')
      .trim()
      .split('\n');
  }
}
