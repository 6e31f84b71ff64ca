import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NetHost } from '../support/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

const HOOKS: readonly (readonly [hook: string, words: readonly string[]])[] = [
  ['network-nat', ['dhcp=no']],
  ['network-route', []],
  ['network-virtual', ['bridge=vmnet1', 'bridgeip=10.1.1.1/24', 'masquerade=yes', 'dhcp=no']],
];

describe.each(HOOKS)(
  'what %s holds for a card follows where network-bridge moves its addresses',
  (hook, words) => {
    const start = () => net.ok(hook, 'start', ...words);
    const stop = () => net.ok(hook, 'stop');
    const bridge = (word: string) => net.ok('network-bridge', word, 'topology=plain', 'netdev=eth0');

    test.each([
      ['around it', [start, () => bridge('start'), () => bridge('stop'), stop]],
      ['and it stops first', [start, () => bridge('start'), stop, () => bridge('stop')]],
      ['and the bridge is there first', [() => bridge('start'), start, () => bridge('stop'), stop]],
      ['within it', [() => bridge('start'), start, stop, () => bridge('stop')]],
    ])('%s', async (_, calls) => {
      const before = await net.host.settled();
      for (const call of calls) {
        call();
        const rules = net.rules('nat', 'POSTROUTING').filter((rule) => rule.includes('MASQUERADE'));
        const uplink = /dev (\S+)/.exec(net.host.ok('ip', 'route', 'show', 'default'))?.[1] ?? '';
        for (const rule of rules) expect(rule).toContain(`-o ${uplink} `);
      }
      expect(await net.host.settled()).toEqual(before);
    });
  },
);
