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
import { Host, xlEnv } from '../../test/support/hosts/host.ts';
import { PLAIN_ENV } from '../../test/support/hosts/namespace.ts';
import type { Store } from '../../test/support/xenstore/store.ts';
import type { Job } from './meter.ts';

/** Ours, the distribution's own, and the smallest shell script that does the same work. */
export type Maker = 'ours' | 'stock' | 'smallest';
export const MAKERS: readonly Maker[] = ['ours', 'stock', 'smallest'];

const ROOT = join(import.meta.dirname, '../..');
const SCRIPTS = '/etc/xen/scripts';
const FOLDER = '/run/bench';
/** The machine that is at the other end of eth0's cable. */
export const OUTSIDE = '192.0.2.1';
/** A bridge takes 1023 ports. */
export const PORTS_PER_BRIDGE = 1000;
const ENTRIES_AT_ONCE = 1000;
const LONGEST_REFILTER_MS = 5 * 60_000;

/** The host with all that is measured on it. */
export class Stage {
  readonly host: Host;
  readonly store: Store;

  private constructor(host: Host, store: Store) {
    this.host = host;
    this.store = store;
  }

  /**
   * Makes a host with a card eth0, a bridge xenbr0, an xenstore, and the hooks of all makers.
   * @param start what our network-bridge is told, to make the bridge with the card at it; else it has no ports yet
   */
  static async create(start?: readonly string[]): Promise<Stage> {
    const host = await Host.create();
    const store = await host.xenstore();
    host.nic('eth0', { address: '192.0.2.10/24', gateway: OUTSIDE });
    host.netns('guests');
    if (start === undefined) host.ip('link add xenbr0 type bridge', 'link set xenbr0 up');
    else host.ok(`${SCRIPTS}/network-bridge`, 'start', 'topology=plain', 'bridge=xenbr0', ...start);
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
    if (maker === 'stock') return `${SCRIPTS}/${hook} of xen-utils-common is not there`;
    return maker === 'ours' ? `dist/xen-network has no ${hook}` : `tools/bench/small has no ${hook}`;
  }

  /**
   * Guests' network cards as netback and xl make them, one for each domain, with all they need in xenstore.
   * @param first the first guest's domain
   * @param count how many guests
   * @param more what xenstore says of each card beside the usual
   */
  cards(first: number, count: number, more: Readonly<Record<string, string>> = {}): void {
    const domids = Array.from({ length: count }, (_, i) => first + i);
    this.host.ip(...domids.map((id) => `link add vif${id}.0 type veth peer name g${id} netns guests`));
    const entries = domids.flatMap((id) => cardEntries(id, more));
    for (let at = 0; at < entries.length; at += ENTRIES_AT_ONCE)
      this.store.write(Object.fromEntries(entries.slice(at, at + ENTRIES_AT_ONCE)));
  }

  /**
   * Guests that are online but for their filters.
   * @param first the first guest's domain
   * @param count how many guests
   * @param entries what xenstore says of each card beside the usual
   */
  guests(first: number, count: number, entries: Readonly<Record<string, string>> = {}): void {
    const domids = Array.from({ length: count }, (_, i) => first + i);
    this.cards(first, count, entries);
    this.host.ip(
      ...domids.flatMap((id) => [
        `link set dev vif${id}.0 address fe:ff:ff:ff:ff:ff master ${Stage.bridge(id)}`,
        `link set dev vif${id}.0 up`,
      ]),
    );
  }

  /** Our own filters of all guests that are online, made at once as after a firewall's reload. */
  refilter(): void {
    const done = this.host.run([`${SCRIPTS}/xen-network`, 'refilter'], { limitMs: LONGEST_REFILTER_MS });
    if (done.status !== 0) throw new Error(`The refilter failed: ${done.stderr}`);
  }

  /**
   * A call of a hook as xl makes it.
   * @param maker whose hook
   * @param hook its name
   * @param command online or offline
   * @param domid the guest's domain
   * @param words what it is told beside
   */
  call(maker: Maker, hook: string, command: string, domid: number, words: readonly string[] = []): Job {
    const script = `${FOLDER}/${maker}/${hook}`;
    // The restart of a DHCP server is not what is measured.
    const more = { script, dhcp: 'no' };
    return {
      argv: [script, command, 'type_if=vif', ...words],
      env: { ...PLAIN_ENV, ...xlEnv(domid, 0, more) },
    };
  }

  /**
   * Any command.
   * @param argv the program and its arguments, none with a tab
   */
  plain(...argv: string[]): Job {
    return { argv, env: PLAIN_ENV };
  }

  /**
   * What follows `ip link set dev` to make a guest's device what netback makes.
   * @param domid the guest's domain
   */
  static fresh(domid: number): string {
    return `vif${domid}.0 down nomaster mtu 1500 address 02:00:5e:00:${hex(domid >> 8)}:${hex(domid & 255)} alias ""`;
  }

  /**
   * The entries of xenstore by which hooks tell what became of a guest's card, and its MTU.
   * @param domid the guest's domain
   */
  static told(domid: number): string[] {
    const backend = `/local/domain/0/backend/vif/${domid}/0`;
    return [
      `${backend}/hotplug-status`,
      `${backend}/hotplug-error`,
      `/local/domain/${domid}/device/vif/0/mtu`,
    ];
  }

  /**
   * The guest's address. Each has a /24 of its own, where vif-nat takes another address for dom0.
   * @param domid the guest's domain
   */
  static address(domid: number): string {
    return `10.${20 + (domid >> 8)}.${domid & 255}.1`;
  }

  /**
   * The guest's MAC address.
   * @param domid the guest's domain
   */
  static mac(domid: number): string {
    return `00:16:3e:00:${hex(domid >> 8)}:${hex(domid & 255)}`;
  }

  /**
   * The bridge that a guest is on.
   * @param domid the guest's domain
   */
  static bridge(domid: number): string {
    return `xenbr${Math.floor((domid - 1) / PORTS_PER_BRIDGE)}`;
  }
}

function cardEntries(domid: number, more: Readonly<Record<string, string>>): [path: string, value: string][] {
  const path = `/local/domain/0/backend/vif/${domid}/0`;
  const values = {
    bridge: Stage.bridge(domid),
    ip: Stage.address(domid),
    mac: Stage.mac(domid),
    handle: '0',
    'frontend-id': `${domid}`,
    frontend: `/local/domain/${domid}/device/vif/0`,
    ...more,
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
  for (const name of readdirSync(SCRIPTS)) {
    // Where xen-network is installed, install.sh keeps the stock scripts in this folder.
    const file = [join(SCRIPTS, '.xen-network-stock', name), join(SCRIPTS, name)].find(isScript);
    if (file === undefined) continue;
    const text = readFileSync(file, 'utf8');
    writeFileSync(join(folder, name), text.replace(DISABLED, ''));
    chmodSync(join(folder, name), 0o755);
  }
}

function isScript(file: string): boolean {
  return existsSync(file) && statSync(file).isFile() && readFileSync(file)[0] !== 0x7f;
}
