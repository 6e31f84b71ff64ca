import { xlEnv } from '../hosts/host.ts';
import type { Ran } from '../hosts/namespace.ts';
import type { VifHost } from '../hosts/vif-host.ts';
import type { Snapshot } from '../models/snapshot.ts';
import { runFaulty } from './faults.ts';
import type { Door, FaultMode } from './faulty-system.ts';
import { mustHaveSteps } from './step-counts.ts';

/** The exit status of a run that is killed. */
export const KILLED = 137;
/** More steps than any plan here has: a loop over steps that does not end is a failure. */
export const TOO_MANY = 40;

/** A card that vif-bridge attaches and detaches while something goes wrong. */
export interface Scenario {
  readonly what: string;
  /** What xenstore says of the card. */
  readonly values: Readonly<Record<string, string>>;
  readonly type: 'vif' | 'tap';
  /** How the card is before the call, beyond being there. */
  readonly before?: (vif: VifHost) => void;
  readonly door?: Door;
  /** Nobody asked for rules, so that the guest is connected when the first step, its rules, fails. */
  readonly rulesOptional?: true;
}

export const SCENARIOS: readonly Scenario[] = [
  { what: 'a vif', values: {}, type: 'vif', rulesOptional: true },
  {
    what: 'a vif with a vifname that is cut, and rules in both families',
    values: { vifname: 'webserver-number-one', ip: '192.0.2.7 10.0.0.0/8 2001:db8::7', mtu: '1400' },
    type: 'vif',
  },
  {
    what: 'a vif that is up, with an alias and another MTU, changed by ip',
    values: { vifname: 'web', ip: '192.0.2.7' },
    type: 'vif',
    before: ({ host }) => host.ip('link set vif1.0 mtu 1300 alias "made by hand"', 'link set vif1.0 up'),
    door: 'ip',
  },
  {
    what: 'a tap with a vifname',
    values: { vifname: 'webserver-one', ip: '192.0.2.7' },
    type: 'tap',
  },
  {
    what: 'a vif that is on the bridge with other addresses',
    values: { ip: '192.0.2.8' },
    type: 'vif',
    before(vif) {
      vif.store.write({ '/local/domain/0/backend/vif/1/0/ip': '192.0.2.7 2001:db8::7' });
      vif.online(1);
      vif.store.write({ '/local/domain/0/backend/vif/1/0/ip': '192.0.2.8' });
    },
  },
];

type Act = 'attach' | 'detach';

/** One scenario on a host. */
export class Play {
  readonly #vif: VifHost;
  readonly #scenario: Scenario;

  constructor(vif: VifHost, scenario: Scenario) {
    this.#vif = vif;
    this.#scenario = scenario;
  }

  /** Makes the card as it is before anything happens. */
  prepare(): void {
    const { values, type, before } = this.#scenario;
    this.call('detach');
    this.#vif.card(1, values);
    if (type === 'tap') this.#vif.host.tap(1);
    before?.(this.#vif);
  }

  /** Makes the card, and looks at the host. */
  start(): Promise<Snapshot> {
    this.prepare();
    // What the devices of an earlier scenario have left, which are gone without a word, is not this one's.
    this.#vif.host.hook('xen-network', ['recover']);
    return this.#vif.host.settled();
  }

  /** What an undisturbed attaching and detaching leave. */
  async undisturbed(): Promise<Record<Act, Snapshot>> {
    this.prepare();
    const look = (act: Act) => {
      const { status, stderr } = this.call(act);
      if (status !== 0) throw new Error(`vif-bridge could not ${act}: ${stderr}`);
      return this.#vif.host.settled();
    };
    return { attach: await look('attach'), detach: await look('detach') };
  }

  call(act: Act): Ran {
    return this.#vif.host.hook('vif-bridge', this.#args(act), this.#env());
  }

  /**
   * Attaches or detaches with a fault at a step.
   * @returns undefined when there is no such step
   */
  strike(act: Act, mode: FaultMode, at: number): Ran | undefined {
    const { door = 'kernel' } = this.#scenario;
    const [args, env] = [this.#args(act), this.#env()];
    return runFaulty(this.#vif.host, { hook: 'vif-bridge', mode, at, args, env, door });
  }

  /** Fails unless the call has exactly the steps that it is known to have. */
  mustHave(act: Act, steps: number): void {
    mustHaveSteps(`vif-bridge, ${act}: ${this.#scenario.what}`, steps);
  }

  #args(act: Act): string[] {
    const words = { vif: { attach: 'online', detach: 'offline' }, tap: { attach: 'add', detach: 'remove' } };
    return [words[this.#scenario.type][act], `type_if=${this.#scenario.type}`];
  }

  #env(): Record<string, string> {
    return xlEnv(1, 0, this.#scenario.type === 'tap' ? { INTERFACE: 'vif1.0-emu' } : {});
  }
}
