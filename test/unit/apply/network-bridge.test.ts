import { describe, expect, test } from 'vitest';
import { applyPlan } from '../../../lib/apply/apply.ts';
import { execute } from '../../../lib/apply/execute.ts';
import { XenNetworkError } from '../../../lib/errors.ts';
import { ip, type Step } from '../../../lib/plan/step.ts';
import { nodeNative } from '../../../lib/system/node/native-node.ts';
import type { RunResult } from '../../../lib/system/processes/exec.ts';
import { openSystem, type System } from '../../../lib/system/system.ts';
import { isKernelRequest } from '../../../lib/wire/rtnetlink.ts';

const FINE: RunResult = { status: 0, stdout: '', stderr: '' };

interface Recorder {
  readonly system: System;
  /** What each child was fed. */
  readonly fed: string[];
}

/** A system without a file, whose ip answers as told. */
function recorder(answer: (input: string) => RunResult, more: Partial<System> = {}): Recorder {
  const fed: string[] = [];
  const system: System = {
    ...openSystem(nodeNative),
    rtnetlink: () => undefined,
    run(_argv, options) {
      fed.push(options?.input ?? '');
      return answer(options?.input ?? '');
    },
    list: () => [],
    replaceFile: () => {},
    appendText: () => {},
    remove: () => {},
    ...more,
  };
  return { system, fed };
}

function step(word: string, more: Partial<Step> = {}): Step {
  return { do: ip('route', 'append', word), undo: [ip('route', 'del', word)], why: `lead ${word}`, ...more };
}

async function outcome(system: System, steps: readonly Step[], interrupted = () => false): Promise<string> {
  try {
    await applyPlan(
      system,
      { steps, warnings: [] },
      { key: 'k', check: () => {}, warn: () => {}, interrupted },
    );
    return 'done';
  } catch (thrown) {
    return thrown instanceof XenNetworkError ? thrown.message : `bare ${thrown}`;
  }
}

/** Refuses one word wherever it comes, as ip does. */
function refusing(word: string, why: string): (input: string) => RunResult {
  return (input) => {
    const at = input.split('\n').indexOf(`route append ${word}`);
    return at < 0
      ? FINE
      : { status: 1, stdout: '', stderr: `RTNETLINK answers: ${why}\nCommand failed -:${at + 1}\n` };
  };
}

describe('a step that may find its work done', () => {
  const steps = [step('a'), step('b', { mayExist: true }), step('c')];

  test('lets the run go on with the next one', async () => {
    const { system, fed } = recorder(refusing('b', 'File exists'));
    expect(await outcome(system, steps)).toBe('done');
    expect(fed).toEqual(['route append a\nroute append b\nroute append c\n', 'route append c\n']);
  });

  test('is a failure all the same when the reason is another one', async () => {
    const { system, fed } = recorder(refusing('b', 'Network is unreachable'));
    expect(await outcome(system, steps)).toBe(
      'Could not lead b: "ip route append b" failed (RTNETLINK answers: Network is unreachable). ' +
        'Everything was put back as it was; mend the cause and try again.',
    );
    expect(fed.at(-1)).toBe('route del a\n');
  });

  test('another step is a failure', async () => {
    const { system } = recorder(refusing('c', 'File exists'));
    expect(await outcome(system, steps)).toContain('Could not lead c');
  });
});

test('an ip that ends in the middle of an undo is run again, line by line', () => {
  const { system, fed } = recorder((input) =>
    input.includes('bad') ? { status: 255, stdout: '', stderr: 'garbage' } : FINE,
  );
  const commands = ['a', 'bad', 'c'].map((word) => ip('route', 'del', word));
  expect(execute(system, 'ip', commands, true)).toEqual({ done: 3, exact: true, error: 'garbage' });
  expect(fed.slice(1)).toEqual(['route del a\n', 'route del bad\n', 'route del c\n']);
});

test('a journal that cannot be written ends the run, and what was done is undone', async () => {
  const full = () => {
    throw new XenNetworkError('/run/x cannot be written: no space is left (ENOSPC).');
  };
  const { system, fed } = recorder(() => FINE, { appendText: full });
  expect(await outcome(system, [step('a')])).toBe(
    '/run/x cannot be written: no space is left (ENOSPC). Everything was put back as it was; mend the cause and try again.',
  );
  expect(fed).toEqual([]);
});

test('a signal before the first step keeps it from being done', async () => {
  const { system, fed } = recorder(() => FINE);
  expect(await outcome(system, [step('a')], () => true)).toContain('The run was interrupted by a signal.');
  expect(fed).toEqual([]);
});

describe('a run that is in a hurry', () => {
  const child: Step = {
    do: { tool: 'run', argv: ['true'] },
    undo: [],
    why: 'do nothing',
  };

  /** What happens, in order: the hurry's beginnings and ends, and children's input. */
  async function story(answer: (input: string) => RunResult, steps: readonly Step[]): Promise<string[]> {
    const { system, fed } = recorder(answer, { hurry: (on) => void fed.push(`hurry ${on}`) });
    const told = { key: 'k', check: () => void fed.push('check'), warn: () => {}, hurried: true };
    await applyPlan(system, { steps, warnings: [] }, told).catch(() => fed.push('failed'));
    return fed;
  }

  test('hurries through its steps, and not through its check', async () => {
    expect(await story(() => FINE, [step('a'), child, step('b')])).toEqual([
      'hurry true',
      'route append a\n',
      'hurry false',
      'hurry true',
      '',
      'hurry false',
      'hurry true',
      'route append b\n',
      'hurry false',
      'check',
      'hurry false',
    ]);
  });

  test('hurries through its undo as well', async () => {
    expect(await story(refusing('b', 'No'), [step('a'), step('b')])).toEqual([
      'hurry true',
      'route append a\nroute append b\n',
      'route del a\n',
      'hurry false',
      'failed',
    ]);
  });

  test('another run does not', async () => {
    const { system, fed } = recorder(() => FINE, { hurry: (on) => void fed.push(`hurry ${on}`) });
    expect(await outcome(system, [step('a')])).toBe('done');
    expect(fed).toEqual(['route append a\n']);
  });
});

describe('commands of which ip is needed for some', () => {
  const lines = ['link set dev a up', 'link set dev b up', 'neigh del 192.0.2.1 dev a', 'link set dev c up'];
  const commands = lines.map((line) => ip(...line.split(' ')));

  /** What the kernel was asked for and what ip was fed, and how far it came. */
  function told(
    kernel: { readonly done: number; readonly error?: string },
    answer: RunResult,
    force = false,
  ): { readonly asked: readonly string[]; readonly fed: readonly string[]; readonly came: unknown } {
    const asked: string[] = [];
    const { system, fed } = recorder(() => answer, {
      rtnetlink(some) {
        if (!some.every(isKernelRequest)) return undefined;
        asked.push(...some.map((words) => words.join(' ')));
        return kernel;
      },
    });
    const came = execute(system, 'ip', commands, force);
    return { asked, fed, came };
  }

  test('are done in their order, the first ones by the kernel', () => {
    expect(told({ done: 2 }, FINE)).toEqual({
      asked: lines.slice(0, 2),
      fed: [`${lines[2]}\n${lines[3]}\n`],
      came: { done: 4, exact: true },
    });
  });

  test('end where the kernel refuses one', () => {
    const { fed, came } = told({ done: 1, error: 'no' }, FINE);
    expect({ fed, came }).toEqual({ fed: [], came: { done: 1, exact: true, error: 'no' } });
  });

  test('end where ip refuses one', () => {
    const refused: RunResult = {
      status: 1,
      stdout: '',
      stderr: 'RTNETLINK answers: no\nCommand failed -:2\n',
    };
    expect(told({ done: 2 }, refused).came).toEqual({ done: 3, exact: true, error: 'RTNETLINK answers: no' });
  });

  test('all are tried in an undo', () => {
    const refused: RunResult = { status: 1, stdout: '', stderr: 'no way\nCommand failed -:1\n' };
    const { fed, came } = told({ done: 2, error: 'no' }, refused, true);
    expect(fed).toHaveLength(1);
    expect(came).toEqual({ done: 4, exact: true, error: 'no; no way' });
  });
});
