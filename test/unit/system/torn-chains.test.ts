import { expect, test } from 'vitest';
import type { NetlinkSocket } from '../../../lib/system/kernel/netlink.ts';
import { forwardingChains } from '../../../lib/system/kernel/nf-tables.ts';

const DONE = 3;
const TORN = 0x10;

/** The end of a list, without anything before it. */
function end(flags: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, DONE, true);
  view.setUint16(6, flags, true);
  return bytes;
}

/** A kernel whose list changes while it sends it, so many times. */
function changing(times: number): () => NetlinkSocket {
  let asked = 0;
  return () => ({
    send: () => void asked++,
    receive: () => end(asked <= times ? TORN : 0),
    errorText: String,
    close: () => undefined,
  });
}

test('a list of chains that changed meanwhile is asked for again, and given up where it always does', () => {
  expect(forwardingChains(changing(0), 4)).toEqual([]);
  expect(forwardingChains(changing(5), 4)).toEqual([]);
  expect(forwardingChains(changing(Number.POSITIVE_INFINITY), 4)).toBeUndefined();
});
