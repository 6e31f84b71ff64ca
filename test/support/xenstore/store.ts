import type { Namespace } from '../hosts/namespace.ts';
import { startRealXenstored } from './xenstored.ts';

/** A test host's xenstore, read and written by Xen's own client tools. */
export class Store {
  readonly #host: Namespace;

  private constructor(host: Namespace) {
    this.#host = host;
  }

  /**
   * Starts Xen's xenstored where its clients look for it.
   * @param host whose mounts and processes it shares; it ends with them
   */
  static async start(host: Namespace): Promise<Store> {
    await startRealXenstored('/run/xenstored', host.enter);
    return new Store(host);
  }

  /**
   * Stores values, one after the other.
   * @param entries path and value; bytes are taken as they are
   */
  write(entries: Readonly<Record<string, string>>): void {
    this.#host.ok('xenstore-write', '-R', ...Object.entries(entries).flat());
  }

  /**
   * The value at a path; undefined where there is no entry.
   * @param path absolute, or relative to dom0's home
   */
  read(path: string): string | undefined {
    const { status, stdout } = this.#host.run(['xenstore-read', '-R', path]);
    return status === 0 ? stdout : undefined;
  }

  /**
   * Everything at and below a path, one "path = value" for each entry; none where there is no entry.
   * @param path absolute, or relative to dom0's home
   */
  list(path: string): string[] {
    return this.#host.run(['xenstore-ls', '-f', path]).stdout.split('\n').filter(Boolean);
  }

  /** Removes an entry and all below it. */
  remove(path: string): void {
    this.#host.run(['xenstore-rm', path]);
  }

  /**
   * Writes a guest's network card as xl does: its backend's entries (docs/contract.md, "xenstore").
   * @param domid the guest's domain
   * @param devid which of its cards
   * @param values bridge, ip, vifname, mtu and what else is configured
   */
  vif(domid: number, devid: number, values: Readonly<Record<string, string>> = {}): void {
    const path = backend(domid, devid);
    const frontend = `/local/domain/${domid}/device/vif/${devid}`;
    const fixed = { handle: `${devid}`, 'frontend-id': `${domid}`, frontend, online: '1', state: '1' };
    const own = { mac: '00:16:3e:00:00:01', script: '/etc/xen/scripts/vif-bridge', ...fixed, ...values };
    this.write(Object.fromEntries(Object.entries(own).map(([key, value]) => [`${path}/${key}`, value])));
    this.write({ [`${frontend}/backend`]: path });
  }

  /**
   * What a hook told about a network card.
   * @param domid the guest's domain
   * @param devid which of its cards
   */
  told(
    domid: number,
    devid = 0,
  ): { status: string | undefined; error: string | undefined; mtu: string | undefined } {
    return {
      status: this.read(`${backend(domid, devid)}/hotplug-status`),
      error: this.read(`${backend(domid, devid)}/hotplug-error`),
      mtu: this.read(`/local/domain/${domid}/device/vif/${devid}/mtu`),
    };
  }

  /** Forgets what was told about a network card, as xl does when the card goes. */
  forget(domid: number, devid = 0): void {
    this.remove(backend(domid, devid));
    this.remove(`/local/domain/${domid}/device/vif/${devid}`);
  }
}

function backend(domid: number, devid: number): string {
  return `/local/domain/0/backend/vif/${domid}/${devid}`;
}
