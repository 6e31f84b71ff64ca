// Stands in for vitest in tests that the compiled program's engine runs: vitest's own runner, expectations and spies,
// without its parts that need Node.js.

import './globals.ts';
import { JestAsymmetricMatchers, JestChaiExpect, JestExtend } from '@vitest/expect';
import * as chai from 'chai';

export { describe, test } from '@vitest/runner';
export * as vi from '@vitest/spy';

/** What vitest does with one: what its properties are is asked of the handler. All those of the target are known. */
function Delegate(target: object, { get }: { get(of: object, key: string, self: object): unknown }): object {
  const delegate = {};
  for (let owner = target; owner !== Object.prototype; owner = Object.getPrototypeOf(owner))
    for (const key of Object.getOwnPropertyNames(owner))
      Object.defineProperty(delegate, key, { configurable: true, get: () => get(target, key, delegate) });
  return delegate;
}

// chai does without, and must not find one while it is loaded.
chai.config.useProxy = false;
Object.assign(globalThis, { Proxy: Delegate });
for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) chai.use(plugin);

export const { expect } = chai;
