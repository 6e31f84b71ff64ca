// Turns the expectation of tests round whose difference is known: each must still fail, and say what it said.

import { relative } from 'node:path';
import { beforeEach } from 'vitest';
import { differenceOf } from './differences.ts';

beforeEach(({ task, skip, onTestFailed }) => {
  const known = differenceOf(relative(process.cwd(), task.file.filepath), task.fullTestName);
  if (known === undefined) return;
  const { says, why } = known;
  if (says === undefined) skip(why);
  Object.assign(task, { fails: true });
  onTestFailed(({ task: { result } }) => {
    if (result?.errors?.some(({ message }) => says?.test(message)) !== true)
      Object.assign(task, { fails: false });
  });
});
