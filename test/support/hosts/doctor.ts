import { expect, test } from 'vitest';
import type { Ran } from './namespace.ts';
import type { NetHost } from './net-host.ts';

/** What doctor leaves on a healthy host. */
export const SILENT: Ran = { status: 0, stdout: 'Nothing was found that is wrong.\n', stderr: '' };

/** A fault that is made, found by its sentence, and taken back. */
export type Fault = readonly [name: string, make: () => void, sentence: RegExp, undo: () => void];

/** Runs doctor on a host. */
export const doctorOf = (net: NetHost, ...words: string[]): Ran =>
  net.host.hook('xen-network', ['doctor', ...words]);

/**
 * Tests that doctor finds faults, each by itself, and nothing once all are taken back.
 * @param net gives the host, which a hook of the tests makes
 * @param faults the faults
 */
export function findAll(net: () => NetHost, faults: readonly Fault[]): void {
  test.each(faults)('%s', (_, make, sentence, undo) => {
    make();
    const { stdout, stderr, status } = doctorOf(net());
    undo();
    expect(stderr).toBe('');
    expect(stdout).toMatch(sentence);
    expect(stdout).toMatch(/\d+ errors?, \d+ warnings?(, \d+ notes?)?\.\n$/);
    expect(status).toBe(/^(error|warning) /m.test(stdout) ? 1 : 0);
  });

  test('once all is taken back, nothing is found', () => {
    expect(doctorOf(net())).toMatchObject(SILENT);
  });
}

/** Gives the first guest of a host its name. */
export const named = (net: NetHost): void => net.store.write({ '/local/domain/1/name': 'web' });
