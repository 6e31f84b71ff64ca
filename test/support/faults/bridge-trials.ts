import { expect } from 'vitest';
import type { Host } from '../hosts/host.ts';
import { createPluggedHost, setSettings } from '../models/bridge-state.ts';
import type { Trial } from './bridge-driver.ts';
import { mustHaveSteps } from './step-counts.ts';
import { runTrial, stepsOf } from './trials.ts';

/** What network-bridge is told, in each topology. */
export const PLAIN = ['topology=plain', 'netdev=eth0'];
export const CLASSIC = ['topology=classic', 'netdev=eth0', 'antispoof=yes'];
export const RENAME = ['topology=rename', 'netdev=eth0', 'antispoof=strict'];

/** Every call, with its variables. */
export const CALLS = [
  ['start', CLASSIC],
  ['start', RENAME],
  ['start', PLAIN],
  ['stop', CLASSIC],
  ['stop', RENAME],
  ['stop', PLAIN],
] as const;

const SENTENCE = /^[A-Z/][\s\S]*\. Everything was put back as it was; mend the cause and try again\.$/;

/**
 * A host with a card, on which network-bridge has been started where it is to be stopped.
 * @param variables what network-bridge is told
 * @param struck the call at which something is to go wrong
 */
export async function prepare(variables: readonly string[], struck: 'start' | 'stop'): Promise<Host> {
  const host = await createPluggedHost();
  setSettings(host, { 'bridge/bridge-nf-call-iptables': '0', 'bridge/bridge-nf-call-ip6tables': '0' });
  host.ok('iptables', '-A', 'FORWARD', '-s', '203.0.113.0/24', '-j', 'DROP');
  if (struck === 'start') return host;
  const { status, stderr } = host.hook('network-bridge', ['start', ...variables]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return host;
}

/**
 * Lets a call go wrong as a trial says, and looks at what is left each time.
 * @param host where
 * @param trial the call, the fault, and what comes next
 * @returns what was said at each step
 */
export async function tryTrial(host: Host, trial: Trial): Promise<(readonly string[])[]> {
  const outcomes = await runTrial(host, trial);
  for (const { at, status, said, wrong } of outcomes)
    expect({ at, status, said, wrong }).toEqual({
      at,
      status: trial.fault === 'fail' ? 1 : 0,
      said,
      wrong: [],
    });
  return outcomes.map(({ said }) => said);
}

/**
 * Lets every step go wrong in one way, and looks at what is left each time; fails unless there are as many steps as
 * ever.
 * @param host where
 * @param struck the call
 * @param variables what network-bridge is told
 * @param fault what happens at the step
 */
export async function tryEach(
  host: Host,
  struck: 'start' | 'stop',
  variables: readonly string[],
  fault: Trial['fault'],
): Promise<void> {
  const outcomes = await tryTrial(host, { fault, words: [struck, ...variables], variables });
  for (const said of outcomes) {
    if (fault === 'fail') expect(said.at(-1)).toMatch(SENTENCE);
    else expect(said.join('\n')).not.toMatch(/While taking it back|bare/);
  }
  mustHaveSteps(`network-bridge ${struck} ${variables[0]}`, stepsOf(fault, outcomes));
}
