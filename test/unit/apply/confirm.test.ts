import { describe, expect, test } from 'vitest';
import {
  confirmRun,
  deferTakeBack,
  dropForgotten,
  forgetSteps,
  isPending,
  keepParts,
  pendingRuns,
  remainingMs,
} from '../../../lib/apply/confirm.ts';
import { execute } from '../../../lib/apply/execute.ts';
import { damagedRecords } from '../../../lib/observe/records.ts';
import { PENDING_RUNS } from '../../../lib/record/paths.ts';
import { memoryHost } from '../../support/hosts/memory.ts';

const ID = 'network-bridge.xenbr0';
const RUN = `${PENDING_RUNS}/${ID}.run`;
const DEADLINE = `${PENDING_RUNS}/${ID}.deadline`;
const PART = { hook: 'network-bridge', values: { netdev: 'eth0', bridge: 'xenbr0' } };
const OTHER = { hook: 'network-nat', values: { netdev: 'eth0' } };

/** A host on which a start waits for its confirmation for 100 s from its boot on. */
function waitingHost() {
  const host = memoryHost({ '/proc/uptime': '0.00 0.00\n' });
  const clocks: (readonly string[])[] = [];
  const system = { ...host.system, startDetached: (argv: readonly string[]) => void clocks.push(argv) };
  deferTakeBack(system, ID, [PART, OTHER], 100);
  return { ...host, system, clocks };
}

describe('a start that waits for its confirmation', () => {
  test('has its time and its clock, and stays once it is confirmed', () => {
    const { system, clocks, files } = waitingHost();
    expect(pendingRuns(system)).toEqual([{ id: ID, remainingMs: 100_000, parts: [PART, OTHER] }]);
    expect(clocks).toEqual([[process.execPath, 'expire', ID]]);
    confirmRun(system, ID);
    expect(pendingRuns(system)).toEqual([]);
    expect(remainingMs(system, ID)).toBe(0);
    expect(Object.keys(files()).filter((path) => path.startsWith(`${PENDING_RUNS}/`))).toEqual([]);
  });

  test.each(['', 'x', '1 00000000 100000\n', '99 00000000 100000\n'])(
    'is over at once where its time reads %j: nobody knows how long it had',
    (deadline) => {
      const { system } = waitingHost();
      system.replaceFile(DEADLINE, deadline);
      expect(pendingRuns(system)).toMatchObject([{ id: ID, remainingMs: 0 }]);
    },
  );

  test('forgets what is stopped meanwhile, and then waits no more', () => {
    const { system } = waitingHost();
    expect(forgetSteps(system, { hook: 'network-nat', values: { netdev: 'eth1' } })).toEqual([]);
    const one = forgetSteps(system, { ...PART, values: { bridge: 'xenbr0', netdev: 'eth0' } });
    execute(
      system,
      'record',
      one.map((step) => step.do),
      false,
    );
    expect(pendingRuns(system)).toMatchObject([{ parts: [OTHER] }]);
    const last = forgetSteps(system, OTHER);
    execute(
      system,
      'record',
      last.map((step) => step.do),
      false,
    );
    expect(isPending(system, ID)).toBe(false);
    expect(system.list(PENDING_RUNS)).toEqual([]);
    for (const step of [...one, ...last].reverse()) execute(system, 'record', step.undo, false);
    expect(pendingRuns(system)).toEqual([{ id: ID, remainingMs: 100_000, parts: [PART, OTHER] }]);
  });

  test('leaves nothing for good when the program was killed as it forgot it', () => {
    const { system } = waitingHost();
    system.remove(DEADLINE);
    expect(pendingRuns(system)).toEqual([]);
    dropForgotten(system);
    expect(system.list(PENDING_RUNS)).toEqual([]);
  });

  test('is known still when nobody can read any more what it did, which is put aside and named', () => {
    const { system, files } = waitingHost();
    system.replaceFile(RUN, '1 00000000 []\n');
    expect(pendingRuns(system)).toEqual([{ id: ID, remainingMs: 100_000, parts: undefined }]);
    expect(files()).toMatchObject({ [`${RUN}.damaged`]: '1 00000000 []\n' });
    expect(damagedRecords(system)).toEqual([expect.stringContaining(`${RUN}.damaged`)]);
    expect(pendingRuns(system)).toMatchObject([{ parts: undefined }]);
    keepParts(system, ID, [OTHER]);
    expect(pendingRuns(system)).toMatchObject([{ parts: [OTHER] }]);
  });
});
