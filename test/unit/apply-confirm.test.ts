import { describe, expect, test } from 'vitest';
import { confirmRun, deferUndo, expireRuns, pendingRuns, remainingMs } from '../../lib/apply/confirm.ts';
import { openJournal } from '../../lib/apply/journal.ts';
import { PENDING_RUNS } from '../../lib/contract/paths.ts';
import { damagedRecords } from '../../lib/observe/records.ts';
import { record } from '../../lib/plan/step.ts';
import { memoryHost } from '../support/memory.ts';

const ID = 'network-bridge.xenbr0';
const JOURNAL = `${PENDING_RUNS}/${ID}.journal`;
const DEADLINE = `${PENDING_RUNS}/${ID}.deadline`;
const LEFT = '/run/xen-network/a';

/** A host on which a start waits for its confirmation for 100 s from its boot on. */
function waitingHost() {
  const host = memoryHost({ '/proc/uptime': '0.00 0.00\n', [LEFT]: 'new' });
  const system = { ...host.system, startDetached: () => {} };
  openJournal(
    system,
    'network-bridge',
    [{ do: record(LEFT, 'new'), undo: [record(LEFT, undefined)], why: 'remember a' }],
    [],
  );
  deferUndo(system, 'network-bridge', ID, 100);
  return { ...host, system };
}

describe('a start that waits for its confirmation', () => {
  test('has its time, and stays once it is confirmed', async () => {
    const { system, files } = waitingHost();
    expect(pendingRuns(system)).toEqual([{ id: ID, deadline: 100_000 }]);
    expect(remainingMs(system, ID)).toBe(100_000);
    expect(await expireRuns(system)).toEqual([]);
    confirmRun(system, ID);
    expect(pendingRuns(system)).toEqual([]);
    expect(remainingMs(system, ID)).toBe(0);
    expect(files()).toMatchObject({ [LEFT]: 'new' });
  });

  test.each(['', 'x', '1 00000000 100000\n', '2 00000000 100000\n'])(
    'is taken back at once where its time reads %j: nobody knows how long it had',
    async (deadline) => {
      const { system, files } = waitingHost();
      system.replaceFile(DEADLINE, deadline);
      expect(remainingMs(system, ID)).toBe(0);
      expect(await expireRuns(system)).toEqual([`Nobody confirmed ${ID} in time: it was taken back.`]);
      expect(Object.keys(files())).not.toContain(LEFT);
    },
  );

  test('and whose journal is spoilt is put aside and named, and keeps no other from being taken back', async () => {
    const { system, files } = waitingHost();
    const other = `${PENDING_RUNS}/network-bridge.xenbr1`;
    system.replaceFile(`${other}.journal`, system.readText(JOURNAL) ?? '');
    system.appendText(`${other}.journal`, '\n');
    system.replaceFile(JOURNAL, '1 00000000 {}\n');
    system.replaceFile(DEADLINE, '0\n');
    expect(await expireRuns(system)).toEqual([
      expect.stringContaining(`then remove ${JOURNAL}.damaged.`),
      'Nobody confirmed network-bridge.xenbr1 in time: it was taken back.',
    ]);
    expect(Object.keys(files())).not.toContain(LEFT);
    expect(files()).toMatchObject({ [`${JOURNAL}.damaged`]: '1 00000000 {}\n' });
    expect(damagedRecords(system)).toEqual([expect.stringContaining(`${JOURNAL}.damaged`)]);
    expect(pendingRuns(system)).toEqual([]);
  });
});
