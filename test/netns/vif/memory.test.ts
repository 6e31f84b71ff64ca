import { afterEach, beforeEach, expect, test } from 'vitest';
import { xlEnv } from '../../support/hosts/host.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

let vif: VifHost;

beforeEach(async () => {
  vif = await VifHost.create();
});

afterEach(() => vif.host.close());

const HOOK = '/etc/xen/scripts/vif-bridge';
const [STEP_KB, STEPS] = [100, 30];

/** Runs the hook with so much address space. */
function run(kB: number, ...words: string[]) {
  const env = Object.entries(xlEnv(1)).map(([name, value]) => `${name}=${value}`);
  const script = `ulimit -v ${kB}; exec "$@"`;
  return vif.host.run(['bash', '-c', script, 'bash', 'env', '-i', ...env, HOOK, ...words]);
}

test('whatever memory there is, xenstore is told how an online ended', () => {
  let least = 2000;
  // With less the program cannot even be loaded.
  while (run(least, '--version').status !== 0) least += STEP_KB;
  const outcomes = Array.from({ length: STEPS }, (_, i) => {
    vif.card(1);
    const { status, stderr } = run(least + i * STEP_KB, 'online');
    const told = vif.store.told(1);
    expect(told.status, stderr).toBe(status === 0 ? 'connected' : 'error');
    if (status !== 0) expect(told.error, stderr).toBeTruthy();
    return { status, error: told.error };
  });
  expect(outcomes.at(-1)?.status).toBe(0);
  expect(outcomes).toContainEqual({
    status: 1,
    error: expect.stringContaining('There is not enough memory for this program.'),
  });
});
