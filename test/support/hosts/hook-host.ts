import { runFaulty } from '../faults/faults.ts';
import type { FaultMode } from '../faults/faulty-system.ts';
import type { Snapshot } from '../models/snapshot.ts';
import type { Store } from '../xenstore/store.ts';
import { Host, type HostOptions, xlEnv } from './host.ts';
import type { Namespace, Ran } from './namespace.ts';
import { OWNER } from './vif-host.ts';

type Values = Readonly<Record<string, string>>;
export type Command = 'online' | 'offline' | 'add' | 'remove';

/** A host with an xenstore on which one vif hook is called for guests' network cards. */
export class HookHost {
  readonly host: Host;
  readonly store: Store;
  readonly hook: string;

  private constructor(host: Host, store: Store, hook: string) {
    this.host = host;
    this.store = store;
    this.hook = hook;
  }

  /**
   * Makes one; close its host when done.
   * @param hook the vif hook
   * @param options how its host differs from the usual
   */
  static async create(hook: string, options: HostOptions = {}): Promise<HookHost> {
    const host = await Host.create(options);
    return new HookHost(host, await host.xenstore(), hook);
  }

  /**
   * The same host, on which another hook is called.
   * @param other the first one
   * @param hook the vif hook
   */
  static on(other: HookHost, hook: string): HookHost {
    return new HookHost(other.host, other.store, hook);
  }

  /**
   * A guest's network card with its entries in xenstore, made anew where it is there already.
   * @param domid the guest's domain
   * @param values what is configured
   * @param devid which of its cards
   * @returns the guest's namespace
   */
  card(domid: number, values: Values = {}, devid = 0): Namespace {
    this.unplug(domid, devid);
    const guest = this.host.vif(domid, devid);
    this.store.vif(domid, devid, values);
    return guest;
  }

  /**
   * Takes a guest's network card away, whatever it is called by now, and all taps, as netback and xl do.
   * @param domid the guest's domain
   * @param devid which of its cards
   */
  unplug(domid: number, devid = 0): void {
    this.host.netns(`guest${domid}`).run(['ip', 'link', 'del', 'dev', `eth${devid}`]);
    const taps = this.host.ok('ip', '-br', 'link', 'show', 'type', 'tun').matchAll(/^\S+/gm);
    for (const [tap] of taps) this.host.ok('ip', 'link', 'del', 'dev', tap);
    this.store.forget(domid, devid);
  }

  /**
   * Calls the hook as xl does.
   * @param command add and remove are for the card's emulated twin
   * @param domid the guest's domain
   * @param more what is set beside what xl sets, or instead
   * @param devid which of its cards
   */
  call(command: Command, domid: number, more: Values = {}, devid = 0): Ran {
    return this.host.hook(this.hook, words(command), environment(command, domid, more, devid));
  }

  /** Calls the hook, and looks at the host when it has come to rest. */
  settledAfter(command: Command, domid: number): Promise<Snapshot> {
    const { status, stderr } = this.call(command, domid);
    if (status !== 0) throw new Error(`${this.hook} ${command} failed: ${stderr}`);
    return this.host.settled();
  }

  /**
   * Calls the hook and lets one of its steps go wrong.
   * @returns what it left; undefined when the run has no such step
   */
  strike(command: Command, domid: number, mode: FaultMode, at: number): Ran | undefined {
    const env = environment(command, domid, {}, 0);
    return runFaulty(this.host, { hook: this.hook, mode, at, args: words(command), env });
  }

  /** FORWARD's rules as administrators list them, but for the comments that say whose each is. */
  forward(family: 4 | 6 = 4): string[] {
    const listing = this.host.ok(family === 4 ? 'iptables' : 'ip6tables', '-S', 'FORWARD');
    const lines = listing.replace(OWNER, '').split('\n');
    return lines.filter((line) => line.startsWith('-A'));
  }

  /** What `ip` shows of something, a line each, without the blanks at its ends. */
  lines(...args: string[]): string[] {
    return this.host
      .ok('ip', ...args)
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  }
}

function isTap(command: Command): boolean {
  return command === 'add' || command === 'remove';
}

function words(command: Command): string[] {
  return [command, `type_if=${isTap(command) ? 'tap' : 'vif'}`];
}

function environment(command: Command, domid: number, more: Values, devid: number): Record<string, string> {
  const tap = isTap(command) ? { INTERFACE: `vif${domid}.${devid}-emu` } : {};
  return xlEnv(domid, devid, { ...tap, ...more });
}
