import { describe, expect, test } from 'vitest';
import { findForwardChains, mayStop } from '../../../lib/wire/nf/rules-listing.ts';
import { readCounters } from '../../../lib/wire/traffic/nf-counters-listing.ts';

const [ERROR, DONE, NEW_CHAIN, NEW_RULE, NEW_OBJECT] = [2, 3, 0xa03, 0xa06, 0xa12];
const TORN = 0x10;
const [ENOENT, ENOMEM, EINVAL] = [2, 12, 22];

/** A message without attributes; an error or the end of a list begins with the error's number. */
function message(type: number, flags: number, errno = 0): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setInt32(16, -errno, true);
  return bytes;
}

describe('a list of the kernel that is not whole', () => {
  test.each([
    ['goes on', message(NEW_CHAIN, 0), true],
    ['is at its end', message(DONE, 0), false],
    ['changed meanwhile', message(NEW_CHAIN, TORN), 'torn'],
    ['changed before its end', message(DONE, TORN), 'torn'],
    ['was refused for want of memory', message(ERROR, 0, ENOMEM), 'torn'],
    ['is of a kernel without nf_tables', message(ERROR, 0, EINVAL), false],
  ])('is told of chains: one that %s', (_how, datagram, told) => {
    expect(findForwardChains(datagram, [])).toBe(told);
  });

  test.each([
    ['is at its end', message(DONE, 0), false],
    ['changed before its end', message(DONE, TORN), 'torn'],
    ['changed meanwhile', message(NEW_RULE, TORN), 'torn'],
    ['was refused', message(ERROR, 0, ENOENT), true],
  ])('may have a rule that stops packets: one that %s', (_how, datagram, told) => {
    expect(mayStop(datagram)).toBe(told);
  });

  test.each([
    ['goes on', message(NEW_OBJECT, 0), { goesOn: true, isTorn: false, errno: 0 }],
    ['is at its end', message(DONE, 0), { goesOn: false, isTorn: false, errno: 0 }],
    ['changed meanwhile', message(DONE, TORN), { goesOn: false, isTorn: true, errno: 0 }],
    ['was refused', message(ERROR, 0, ENOMEM), { goesOn: false, isTorn: false, errno: ENOMEM }],
  ])('is told of counters: one that %s', (_how, datagram, told) => {
    expect(readCounters(datagram)).toMatchObject(told);
  });
});
