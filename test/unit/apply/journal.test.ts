import { describe, expect, test } from 'vitest';
import {
  closeJournal,
  journalKeys,
  noteBatch,
  openJournal,
  readJournal,
} from '../../../lib/apply/journal.ts';
import { recoverInWords, recoverRun } from '../../../lib/apply/recover.ts';
import { XenNetworkError } from '../../../lib/errors.ts';
import { ip, record, type Step } from '../../../lib/plan/step.ts';
import { journalPath, temporaryPath } from '../../../lib/record/paths.ts';
import { seal } from '../../../lib/record/sealed.ts';
import { memoryHost } from '../../support/hosts/memory.ts';

const STEPS: readonly Step[] = [
  {
    do: ip('link', 'set', 'dev', 'eth0', 'down'),
    undo: [],
    why: 'take down eth0',
    device: { name: 'eth0', index: 2 },
  },
  { do: record('/run/xen-network/a', 'new'), undo: [record('/run/xen-network/a', 'old')], why: 'record a' },
  {
    do: record('/run/xen-network/b', 'new'),
    undo: [record('/run/xen-network/b', undefined)],
    why: 'record b',
  },
];

const PLAN = seal(JSON.stringify({ steps: STEPS, indexes: [] }));

describe('the journal of a run', () => {
  test('holds the plan, what was begun and the devices of before', () => {
    const { system } = memoryHost();
    openJournal(system, 'vif1.0', STEPS, [1, 2]);
    expect(readJournal(system, 'vif1.0')).toEqual({ key: 'vif1.0', steps: STEPS, begun: 0, indexes: [1, 2] });
    noteBatch(system, 'vif1.0', 1);
    noteBatch(system, 'vif1.0', 3);
    expect(readJournal(system, 'vif1.0')).toMatchObject({ begun: 3 });
    expect(journalKeys(system)).toEqual(['vif1.0']);
  });

  test('is gone once it is closed, and can be closed twice', () => {
    const { system, files } = memoryHost();
    openJournal(system, 'vif1.0', STEPS, []);
    closeJournal(system, 'vif1.0');
    closeJournal(system, 'vif1.0');
    expect(journalKeys(system)).toEqual([]);
    expect(Object.keys(files())).not.toContain(journalPath('vif1.0'));
  });

  test.each([
    ['empty', ''],
    ['cut off within the plan', '{"steps":[{"do":{"tool":"ip"'],
    ['of another form', '{"steps":7,"indexes":[]}\n3\n'],
    [
      'of commands without their words',
      '{"steps":[{"do":{"tool":"ip"},"undo":[{"tool":"ip"}],"why":"x"}],"indexes":[]}\n1\n',
    ],
    ['of a tool that is not known', '{"steps":[{"do":{"tool":"rm"},"undo":[],"why":"x"}],"indexes":[]}\n1\n'],
    ['spoilt within', `${JSON.stringify({ steps: [], indexes: [] })}\n{"st\n3\n`],
    ['sealed and changed since', `${PLAN.replace('eth0', 'eth1')}\n${seal('3')}\n`],
    ['sealed, with a line that was changed', `${PLAN}\n${seal('1').replace(/1$/, '3')}\n`],
    ['sealed, with a line that was lost in part', `${PLAN}\n${seal('1').slice(0, 6)}\n${seal('3')}\n`],
  ])('that is %s takes nothing back, is put aside and named each time', async (_what, text) => {
    const { system, files } = memoryHost({ [journalPath('vif1.0')]: text });
    expect(readJournal(system, 'vif1.0')).toBe('damaged');
    const sentence =
      'The journal of an interrupted run of vif1.0 cannot be read any more, so the run was not undone. ' +
      'Look at what it left on this host, then remove /run/xen-network/journal/vif1.0.damaged.';
    expect(await recoverRun(system, 'vif1.0')).toEqual([sentence]);
    expect(files()).toMatchObject({ [`${journalPath('vif1.0')}.damaged`]: text });
    expect(journalKeys(system)).toEqual([]);
    expect(await recoverRun(system, 'vif1.0')).toEqual([sentence]);
    expect(await recoverRun(system, 'vif2.0')).toEqual([]);
  });

  test.each([...`${seal('3')}`].map((_, at) => at))(
    'cut off after %i characters of its last line counts up to the line before',
    (at) => {
      const { system } = memoryHost();
      openJournal(system, 'vif1.0', STEPS, []);
      noteBatch(system, 'vif1.0', 1);
      system.appendText(journalPath('vif1.0'), seal('3').slice(0, at));
      expect(readJournal(system, 'vif1.0')).toMatchObject({ begun: 1 });
    },
  );

  test('of before journals were sealed is read', () => {
    const text = `${JSON.stringify({ steps: STEPS, indexes: [1] })}\n1\n3\n`;
    const { system } = memoryHost({ [journalPath('vif1.0')]: text });
    expect(readJournal(system, 'vif1.0')).toEqual({ key: 'vif1.0', steps: STEPS, begun: 3, indexes: [1] });
  });

  test('that a later version wrote takes nothing back, and stays for that version', async () => {
    const text = '99 0a1b2c3d something else\n3\n';
    const { system, files } = memoryHost({ [journalPath('vif1.0')]: text });
    await expect(recoverRun(system, 'vif1.0')).rejects.toThrow(
      `${journalPath('vif1.0')} was written by a later version of this program`,
    );
    expect(files()).toMatchObject({ [journalPath('vif1.0')]: text });
  });

  test('whose words are none of ASCII is read as it was written', () => {
    const { system } = memoryHost();
    const steps = [{ ...(STEPS[1] as Step), why: 'record an alias “ü…\u{1f5a7}”' }];
    openJournal(system, 'vif1.0', steps, []);
    expect(readJournal(system, 'vif1.0')).toMatchObject({ steps });
  });

  test('that was never put in place as a whole takes nothing back, and is cleared away', async () => {
    const { system } = memoryHost({ [temporaryPath(journalPath('vif1.0'))]: '{' });
    expect(journalKeys(system)).toEqual(['vif1.0']);
    expect(await recoverRun(system, 'vif1.0')).toEqual([]);
    expect(journalKeys(system)).toEqual([]);
  });
});

describe('recovering', () => {
  test('undoes the steps that were begun, in reverse, and those alone', async () => {
    const { system, files } = memoryHost({
      '/run/xen-network/a': 'new',
      '/run/xen-network/b': 'not ours yet',
    });
    openJournal(system, 'vif1.0', STEPS.slice(1), []);
    noteBatch(system, 'vif1.0', 1);
    expect(await recoverRun(system, 'vif1.0')).toEqual([
      'An interrupted run of vif1.0 was found and taken back.',
    ]);
    expect(files()).toMatchObject({
      '/run/xen-network/a': `${seal('old')}\n`,
      '/run/xen-network/b': 'not ours yet',
    });
    expect(journalKeys(system)).toEqual([]);
  });

  test('twice does nothing more, and without a journal nothing at all', async () => {
    const { system, files } = memoryHost({ '/run/xen-network/b': 'new' });
    openJournal(system, 'vif1.0', STEPS.slice(1), []);
    noteBatch(system, 'vif1.0', 2);
    await recoverRun(system, 'vif1.0');
    expect(Object.keys(files())).not.toContain('/run/xen-network/b');
    expect(await recoverRun(system, 'vif1.0')).toEqual([]);
    expect(await recoverRun(system, 'vif2.0')).toEqual([]);
  });
});

test('a run that cannot be looked at is told in words, so that others are seen to', async () => {
  const { system } = memoryHost({});
  const broken = {
    ...system,
    readBytes(): never {
      throw new XenNetworkError('The journal cannot be read (EIO).');
    },
  };
  expect(await recoverInWords(broken, 'vif1.0')).toEqual([
    'The interrupted run of vif1.0 could not be taken back: The journal cannot be read (EIO).',
  ]);
});
