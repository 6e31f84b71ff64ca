import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KILLED, Play, SCENARIOS, TOO_MANY } from '../../support/faults/vif-scenarios.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

let vif: VifHost;

beforeAll(async () => {
  vif = await VifHost.create();
  vif.host.ok('iptables', '-A', 'FORWARD', '-s', '203.0.113.0/24', '-j', 'DROP');
});

afterAll(() => vif.host.close());

describe.each(SCENARIOS)('detaching $what', (scenario) => {
  test.each([
    ['a failure', 'fail', 0],
    ['a kill', 'kill', KILLED],
  ] as const)('%s at any step, and a second call ends clean', async (_what, mode, status) => {
    const play = new Play(vif, scenario);
    const undisturbed = await play.undisturbed();
    for (let at = mode === 'kill' ? 0 : 1; at < TOO_MANY; at++) {
      expect(play.call('attach').status).toBe(0);
      expect({ at, ...(await vif.host.snapshotLike(undisturbed.attach)) }).toEqual({
        at,
        ...undisturbed.attach,
      });
      const ran = play.strike('detach', mode, at);
      if (ran === undefined) return play.mustHave('detach', at - 1);
      expect({ at, status: ran.status }).toEqual({ at, status });
      expect(play.call('detach').status).toBe(0);
      expect({ at, ...(await vif.host.snapshotLike(undisturbed.detach)) }).toEqual({
        at,
        ...undisturbed.detach,
      });
    }
    expect.unreachable('The plan has no end.');
  });
});
