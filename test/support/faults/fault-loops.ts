import { describe, expect, test } from 'vitest';
import type { Command, HookHost } from '../hosts/hook-host.ts';
import type { Ran } from '../hosts/namespace.ts';
import type { Snapshot } from '../models/snapshot.ts';
import type { FaultMode } from './faulty-system.ts';
import { mustHaveSteps } from './step-counts.ts';

const KILLED = 137;
/** More steps than any plan here has: a loop over steps that does not end is a failure. */
const TOO_MANY = 40;
/** A loop over what other loops have covered takes every so many-th step. */
const EVERY = 3;

/** A card that a hook attaches and detaches while something goes wrong. */
export interface FaultScenario {
  readonly what: string;
  /** What xenstore says of the card. */
  readonly values: Readonly<Record<string, string>>;
  readonly type: 'vif' | 'tap';
  /** What is done before the call, beyond making the card. */
  readonly before?: (host: HookHost) => void;
  /** Whether detaching it is tried as well, and attaching it again after a kill. */
  readonly whole: boolean;
  /** What else than the network a hook changes, and must put back. */
  readonly more?: (host: HookHost) => string;
}

/** One scenario on its host. */
class Play {
  readonly host: HookHost;
  readonly #scenario: FaultScenario;
  readonly #attach: Command;
  readonly #detach: Command;

  constructor(host: HookHost, scenario: FaultScenario) {
    this.host = host;
    this.#scenario = scenario;
    [this.#attach, this.#detach] = scenario.type === 'tap' ? ['add', 'remove'] : ['online', 'offline'];
  }

  prepare(): void {
    const { values, type, before } = this.#scenario;
    this.host.call('remove', 1);
    this.host.call('offline', 1);
    this.host.card(1, values);
    if (type === 'tap') this.host.host.tap(1);
    before?.(this.host);
  }

  attach(): Ran {
    return this.host.call(this.#attach, 1);
  }

  detach(): Ran {
    return this.host.call(this.#detach, 1);
  }

  strike(act: 'attach' | 'detach', mode: FaultMode, at: number): Ran | undefined {
    return this.host.strike(act === 'attach' ? this.#attach : this.#detach, 1, mode, at);
  }

  /** Looks at the host once it has come to rest. */
  async look(): Promise<State> {
    return { network: await this.host.host.settled(), more: this.#more() };
  }

  /** Fails unless the host is, or soon becomes, as it was. */
  async mustBe(state: State, at: number): Promise<void> {
    const network = await this.host.host.snapshotLike(state.network);
    expect({ at, network, more: this.#more() }).toEqual({ at, ...state });
  }

  mustHave(act: 'attach' | 'detach', steps: number): void {
    mustHaveSteps(`${this.host.hook}, ${act}: ${this.#scenario.what}`, steps);
  }

  #more(): string {
    return this.#scenario.more?.(this.host) ?? '';
  }
}

interface State {
  readonly network: Snapshot;
  readonly more: string;
}

/**
 * Tests that a hook which fails or is killed at any of its steps leaves nothing half-done.
 * @param hostOf gives the host, once it is made
 * @param scenario what is attached and detached
 */
export function testFaults(hostOf: () => HookHost, scenario: FaultScenario): void {
  describe(scenario.what, () => {
    test('attaching: a failure at any step leaves all as it was, and says why', () =>
      failAttaching(hostOf(), scenario));
    test('attaching: a kill after any step is taken back by "xen-network recover"', () =>
      killAttaching(hostOf(), scenario));
    if (!scenario.whole) return;
    test('attaching: after a kill the same call again ends as ever', () => attachAgain(hostOf(), scenario));
    test.each(['fail', 'kill'] as const)(
      'detaching: a %s at any step, and a second call ends clean',
      (mode) => strikeDetaching(hostOf(), scenario, mode),
    );
  });
}

async function failAttaching(host: HookHost, scenario: FaultScenario): Promise<void> {
  const play = new Play(host, scenario);
  play.prepare();
  const start = await play.look();
  for (let at = 1; at < TOO_MANY; at++) {
    const ran = play.strike('attach', 'fail', at);
    if (ran === undefined) return play.mustHave('attach', at - 1);
    expect({ at, status: ran.status }).toEqual({ at, status: 1 });
    if (scenario.type === 'vif') {
      const { status, error } = host.store.told(1);
      expect({ at, status }).toEqual({ at, status: 'error' });
      expect(error).toMatch(
        /: Could not .+ failed \(.+\)\. Everything was put back as it was; mend the cause and try again\.$/,
      );
    }
    await play.mustBe(start, at);
  }
  expect.unreachable('The plan has no end.');
}

async function killAttaching(host: HookHost, scenario: FaultScenario): Promise<void> {
  const play = new Play(host, scenario);
  play.prepare();
  const start = await play.look();
  for (let at = 0; at < TOO_MANY; at++) {
    const ran = play.strike('attach', 'kill', at);
    if (ran === undefined) return play.mustHave('attach', at - 1);
    expect({ at, status: ran.status }).toEqual({ at, status: KILLED });
    const recovered = host.host.hook('xen-network', ['recover']);
    expect({ at, ...recovered }).toMatchObject({ at, status: 0, stderr: '' });
    expect(recovered.stdout).not.toContain('While taking it back');
    await play.mustBe(start, at);
  }
  expect.unreachable('The plan has no end.');
}

async function attachAgain(host: HookHost, scenario: FaultScenario): Promise<void> {
  const play = new Play(host, scenario);
  play.prepare();
  expect(play.attach()).toMatchObject({ status: 0 });
  const attached = await play.look();
  for (let at = 1; at < TOO_MANY; at += EVERY) {
    play.prepare();
    const ran = play.strike('attach', 'kill', at);
    if (ran === undefined) return expect(at).toBeGreaterThan(EVERY);
    expect({ at, status: play.attach().status }).toEqual({ at, status: 0 });
    await play.mustBe(attached, at);
  }
  expect.unreachable('The plan has no end.');
}

async function strikeDetaching(host: HookHost, scenario: FaultScenario, mode: FaultMode): Promise<void> {
  const play = new Play(host, scenario);
  play.prepare();
  expect(play.attach()).toMatchObject({ status: 0 });
  expect(play.detach()).toMatchObject({ status: 0 });
  const detached = await play.look();
  for (let at = mode === 'kill' ? 0 : 1; at < TOO_MANY; at++) {
    expect(play.attach().status).toBe(0);
    const ran = play.strike('detach', mode, at);
    if (ran === undefined) return play.mustHave('detach', at - 1);
    expect({ at, status: ran.status }).toEqual({ at, status: mode === 'kill' ? KILLED : 0 });
    expect(play.detach().status).toBe(0);
    await play.mustBe(detached, at);
  }
  expect.unreachable('The plan has no end.');
}
