import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { compileWith, engineTests, makeFolder } from '../support/kernel/engine-tests.ts';

let folder: string;

beforeAll(() => {
  folder = makeFolder();
  const options = { snapshot: false, target: 'aarch64-linux-gnu-gcc' };
  expect(compileWith('test/support/kernel/engine-facts.ts', join(folder, 'facts'), options)).toBe('');
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('the engine for arm64', () => engineTests(() => join(folder, 'facts')));
