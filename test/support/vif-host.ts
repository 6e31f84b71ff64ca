import { Host, xlEnv } from './host.ts';
import type { Ran } from './namespace.ts';
import type { Store } from './store.ts';

/** A host with a bridge xenbr0, an xenstore, and guests' network cards on demand. */
export class VifHost {
  readonly host: Host;
  readonly store: Store;

  private constructor(host: Host, store: Store) {
    this.host = host;
    this.store = store;
  }

  /** Makes one; close its host when done. */
  static async create(): Promise<VifHost> {
    const host = await Host.create();
    const store = await host.xenstore();
    host.ip('link add xenbr0 address 02:00:00:00:00:01 type bridge', 'link set xenbr0 up');
    return new VifHost(host, store);
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

  online(domid: number, more: Readonly<Record<string, string>> = {}): Ran {
    return this.host.hook('vif-bridge', ['online', 'type_if=vif'], xlEnv(domid, 0, more));
  }

  offline(domid: number, more: Readonly<Record<string, string>> = {}): Ran {
    return this.host.hook('vif-bridge', ['offline', 'type_if=vif'], xlEnv(domid, 0, more));
  }

  add(domid: number): Ran {
    return this.host.hook('vif-bridge', ['add', 'type_if=tap'], xlEnv(domid, 0, { INTERFACE: `vif${domid}.0-emu` }));
  }

  remove(domid: number): Ran {
    return this.host.hook('vif-bridge', ['remove', 'type_if=tap'], xlEnv(domid, 0, { INTERFACE: `vif${domid}.0-emu` }));
  }

  /** FORWARD as administrators list it. */
  forward(family: 4 | 6 = 4): string[] {
    return this.host.ok(family === 4 ? 'iptables' : 'ip6tables', '-S', 'FORWARD').trim().split('\n');
  }
}
