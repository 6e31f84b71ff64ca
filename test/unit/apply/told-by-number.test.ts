import { expect, test } from 'vitest';
import { applyPlan } from '../../../lib/apply/apply.ts';
import { ip, type Step } from '../../../lib/plan/step.ts';
import { nodeNative } from '../../../lib/system/node/native-node.ts';
import { openSystem, type System } from '../../../lib/system/system.ts';

const FIRST: Step = { do: ip('link', 'set', 'dev', 'vif1.0', 'mtu', '9000'), undo: [], why: 'set the MTU' };
const LAST: Step = { do: ip('link', 'set', 'dev', 'vif1.0', 'up'), undo: [], why: 'bring it up' };

/** Carries two steps out on a host whose kernel refuses the first by a number and words of its own. */
async function outcome(step: Step, errno: number, text: string) {
  const done: string[] = [];
  const said: string[] = [];
  const system: System = {
    ...openSystem(nodeNative),
    replaceFile: () => {},
    appendText: () => {},
    remove: () => {},
    rtnetlink(commands) {
      const all = commands.map((words) => words.join(' '));
      const at = all.findIndex((line) => line.includes('mtu'));
      done.push(...all.slice(0, at < 0 ? all.length : at));
      return at < 0 ? { done: all.length } : { done: at, error: text, refusals: [{ errno, text }] };
    },
  };
  const options = { key: 'vif1.0', check: () => {}, warn: (sentence: string) => void said.push(sentence) };
  const failure = await applyPlan(system, { steps: [step, LAST], warnings: [] }, options).then(
    () => undefined,
    (thrown: Error) => thrown.message,
  );
  return { done, said, failure };
}

const UP = ['link set dev vif1.0 up'];
const OWN_WORDS = 'Error: virtio_net: MTU too large to enable XDP.';

test('a value that a device refuses in words of its own is told by the number', async () => {
  const may = { ...FIRST, mayRefuse: 'mtu' } as const;
  const { done, said, failure } = await outcome(may, 22, OWN_WORDS);
  expect({ done, failure }).toEqual({ done: UP, failure: undefined });
  expect(said).toEqual([
    `Could not set the MTU: the device refuses it (${OWN_WORDS}), and keeps what it has.`,
  ]);
  // EBUSY is no refusal, whatever is said beside it.
  expect((await outcome(may, 16, 'Error: Invalid argument, or so.')).failure).toContain('Invalid argument');
});

test('what is there already is told by the number, too', async () => {
  const may = { ...FIRST, mayExist: true };
  expect(await outcome(may, 17, 'Error: Route is known.')).toEqual({
    done: UP,
    said: [],
    failure: undefined,
  });
  expect((await outcome(may, 22, 'File exists, but not here.')).failure).toContain('File exists');
  expect((await outcome(FIRST, 17, 'RTNETLINK answers: File exists')).failure).toContain('File exists');
});
