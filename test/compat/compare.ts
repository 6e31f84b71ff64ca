import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Command, HookHost } from '../support/hosts/hook-host.ts';
import type { Difference, Outcome, Pair } from './differences.ts';

/** One call of the hook, after what happens on the host before it. */
export interface Call {
  readonly command: Command;
  readonly env?: Readonly<Record<string, string>>;
  readonly before?: (host: HookHost) => void;
}

export interface Scenario {
  readonly what: string;
  /** What xenstore says of the card. */
  readonly values?: Readonly<Record<string, string>>;
  readonly prepare?: (host: HookHost) => void;
  readonly calls: readonly Call[];
}

/** A hook that is to be compared with the stock script of its name. */
export interface Comparison {
  readonly hook: string;
  readonly scenarios: readonly Scenario[];
  readonly differences: readonly Difference[];
  /** What a host has, beyond xenstore, before anything is called. */
  readonly make: (host: HookHost) => void;
  /** What is cleaned before a scenario, beyond rules, records, xenstore and the guests' cards. */
  readonly clean?: (host: HookHost) => void;
  /** What else is compared, by topic. */
  readonly look?: (host: HookHost) => Outcome;
}

export const online: Call = { command: 'online' };
export const offline: Call = { command: 'offline' };
export const add: Call = { command: 'add' };
export const remove: Call = { command: 'remove' };

/** Runs the stock script and ours side by side, on hosts of their own, and compares what each call leaves. */
export function testComparison(comparison: Comparison): void {
  const { hook, scenarios, differences, make, clean, look } = comparison;
  const used = new Set<string>();
  let stock: HookHost;
  let ours: HookHost;

  beforeAll(async () => {
    [stock, ours] = await Promise.all([HookHost.create(hook, { scripts: 'stock' }), HookHost.create(hook)]);
    for (const host of [stock, ours]) make(host);
  });

  afterAll(async () => {
    await Promise.all([stock, ours].map(({ host }) => host.close()));
  });

  const reset = (host: HookHost, { values = {}, prepare }: Scenario): void => {
    host.host.ok('sh', '-c', 'iptables -F; ip6tables -F; rm -rf /run/xen-network');
    host.store.remove('/local/domain');
    for (const domid of [1, 2]) host.unplug(domid);
    clean?.(host);
    host.card(1, values);
    prepare?.(host);
  };

  const perform = (host: HookHost, { command, env = {}, before }: Call): Outcome => {
    before?.(host);
    const { status } = host.call(command, 1, env);
    return {
      status: [`${status}`],
      ...host.host.snapshot(),
      ...look?.(host),
      xenstore: host.store.list('/local/domain'),
    };
  };

  /** The pair without the differences that are wanted. */
  const reconciled = (what: string, pair: Pair): Pair => {
    let rest = pair;
    for (const { name, only, without } of differences) {
      if (only !== undefined && !only.test(what)) continue;
      const next = without(rest);
      if (next !== rest) used.add(name);
      rest = next;
    }
    return rest;
  };

  describe(`${hook} ends as the stock script does`, () => {
    test.each(scenarios)('$what', (scenario) => {
      for (const host of [stock, ours]) reset(host, scenario);
      for (const call of scenario.calls) {
        const pair = reconciled(scenario.what, { stock: perform(stock, call), ours: perform(ours, call) });
        expect({ call, ...pair.ours }).toEqual({ call, ...pair.stock });
      }
    });

    test('but for differences that all show', () => {
      expect(differences.map(({ name }) => name).filter((name) => !used.has(name))).toEqual([]);
    });
  });
}
