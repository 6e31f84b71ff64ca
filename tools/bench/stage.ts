// A host on which the hooks of several makers stand side by side, with guests' network cards on demand.

import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Host, xlEnv } from '../../test/support/host.ts';
import { PLAIN_ENV } from '../../test/support/namespace.ts';
import type { Store } from '../../test/support/store.ts';
import type { Job } from './meter.ts';

/** Ours, the distribution's own, and the smallest shell script that does the same work. */
export type Maker = 'ours' | 'stock' | 'smallest';
export const MAKERS: readonly Maker[] = ['ours', 'stock', 'smallest'];

const ROOT = join(import.meta.dirname, '../..');
const STOCK = '/etc/xen/scripts';
const FOLDER = '/run/bench';
/** A bridge takes 1023 ports. */
export const PORTS_PER_BRIDGE = 1000;
const ENTRIES_AT_ONCE = 1000;

/** The host with all that is measured on it. */
export class Stage {
  readonly host: Host;
  readonly store: Store;

  private constructor(host: Host, store: Store) {
    this.host = host;
    this.store = store;
  }

  /** Makes a host with a card eth0, a bridge xenbr0, an xenstore, and the hooks of all makers. */
  static async create(): Promise<Stage> {
    const host = await Host.create();
    const store = await host.xenstore();
    host.nic('eth0', { address: '192.0.2.10/24', gateway: '192.0.2.1' });
    host.netns('guests');
    host.ip('link add xenbr0 type bridge', 'link set xenbr0 up');
    // No messages of a benchmark in the machine's own log.
    if (existsSync('/dev/log')) host.ok('mount', '--bind', '/dev/null', '/dev/log');
    const stage = new Stage(host, store);
    for (const maker of MAKERS) mkdirSync(stage.#outside(maker), { recursive: true });
    linkOurs(stage.#outside('ours'));
    copyStock(stage.#outside('stock'));
    cpSync(join(import.meta.dirname, 'small'), stage.#outside('smallest'), { recursive: true });
    return stage;
  }

  #outside(maker: Maker): string {
    return this.host.path(`${FOLDER}/${maker}`);
  }

  /**
   * Why a maker's hook cannot be measured; undefined when it can.
   * @param maker whose
   * @param hook its name
   */
  whyNot(maker: Maker, hook: string): string | undefined {
    if (existsSync(join(this.#outside(maker), hook))) return undefined;
    if (maker === 'stock') return `${STOCK}/${hook} of xen-utils-common is not there`;
    return maker === 'ours' ? `dist/xen-network has no ${hook}` : `tools/bench/small has no ${hook}`;
  }

  /**
   * Guests' network cards as netback and xl make them, one for each domain, with all they need in xenstore.
   * @param first the first guest's domain
   * @param count how many guests
   */
  cards(first: number, count: number): void {
    const domids = Array.from({ length: count }, (_, i) => first + i);
    this.host.ip(...domids.map((id) => `link add vif${id}.0 type veth peer name g${id} netns guests`));
    const entries = domids.flatMap((id) => cardEntries(id));
    for (let at = 0; at < entries.length; at += ENTRIES_AT_ONCE)
      this.store.write(Object.fromEntries(entries.slice(at, at + ENTRIES_AT_ONCE)));
  }

  /**
   * A call of a hook as xl makes it.
   * @param maker whose hook
   * @param hook its name
   * @param command online or offline
   * @param domid the guest's domain
   */
  call(maker: Maker, hook: string, command: string, domid: number): Job {
    const script = `${FOLDER}/${maker}/${hook}`;
    // The restart of a DHCP server is not what is measured.
    const more = { script, dhcp: 'no' };
    return { argv: [script, command, 'type_if=vif'], env: { ...PLAIN_ENV, ...xlEnv(domid, 0, more) } };
  }

  /**
   * Any command.
   * @param argv the program and its arguments, none with a tab
   */
  plain(...argv: string[]): Job {
    return { argv, env: PLAIN_ENV };
  }

  /**
   * The guest's address.
   * @param domid the guest's domain
   */
  static address(domid: number): string {
    return `10.20.${domid >> 8}.${domid & 255}`;
  }

  /**
   * The bridge that a guest is on.
   * @param domid the guest's domain
   */
  static bridge(domid: number): string {
    return `xenbr${Math.floor((domid - 1) / PORTS_PER_BRIDGE)}`;
  }
}

function cardEntries(domid: number): [path: string, value: string][] {
  const path = `/local/domain/0/backend/vif/${domid}/0`;
  const values = {
    bridge: Stage.bridge(domid),
    ip: Stage.address(domid),
    mac: `00:16:3e:00:${hex(domid >> 8)}:${hex(domid & 255)}`,
    handle: '0',
    'frontend-id': `${domid}`,
    frontend: `/local/domain/${domid}/device/vif/0`,
  };
  return Object.entries(values).map(([key, value]) => [`${path}/${key}`, value]);
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

function linkOurs(folder: string): void {
  const program = join(ROOT, 'dist/xen-network');
  const hooks = Bun.spawnSync([program, '--hooks']).stdout.toString().trim().split('\n');
  for (const hook of hooks) symlinkSync(program, join(folder, hook));
}

/** Debian's package keeps the hooks from making any rules; without that one return they do what upstream's do. */
const DISABLED = / *# This function is disabled in Debian packaging\..*\n *return 0\n/;

function copyStock(folder: string): void {
  for (const name of readdirSync(STOCK)) {
    // Where xen-network is installed, install.sh keeps the stock scripts in this folder.
    const file = [join(STOCK, '.xen-network-stock', name), join(STOCK, name)].find(isScript);
    if (file === undefined) continue;
    const text = readFileSync(file, 'utf8');
    writeFileSync(join(folder, name), text.replace(DISABLED, ''));
    chmodSync(join(folder, name), 0o755);
  }
}

function isScript(file: string): boolean {
  return existsSync(file) && statSync(file).isFile() && readFileSync(file)[0] !== 0x7f;
}
