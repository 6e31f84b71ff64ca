import { expect, test } from 'vitest';
import { noHost, parsePrefix } from '../../../lib/request/addresses.ts';

test.each([
  ['192.0.2.7', undefined],
  ['10.0.0.0/8', undefined],
  ['0.0.0.0/0', undefined],
  ['0.0.0.0', 'no address of a host'],
  ['127.0.0.1', 'a loopback address'],
  ['127.0.0.0/8', 'a loopback address'],
  ['224.0.0.251', 'a multicast address'],
  ['224.0.0.0/4', 'a multicast address'],
  ['255.255.255.255', 'no address of a host'],
  ['2001:db8::7', undefined],
  ['::/0', undefined],
  ['::ffff:192.0.2.7', undefined],
  ['::', 'the loopback or no address'],
  ['::1', 'the loopback or no address'],
  ['ff02::1', 'a multicast address'],
])('%s: %s', (text, why) => {
  const prefix = parsePrefix(text);
  expect(prefix).toBeDefined();
  expect(prefix && noHost(prefix)).toBe(why);
});
