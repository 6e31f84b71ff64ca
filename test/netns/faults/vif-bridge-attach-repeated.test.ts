import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KILLED, Play, SCENARIOS, TOO_MANY } from '../../support/faults/vif-scenarios.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

let vif: VifHost;

beforeAll(async () => {
  vif = await VifHost.create();
  vif.host.ok('iptables', '-A', 'FORWARD', '-s', '203.0.113.0/24', '-j', 'DROP');
});

afterAll(() => vif.host.close());

describe.each(SCENARIOS)('attaching $what', (scenario) => {
  test('after a kill at any step the same call again, and then detaching, end as ever', async () => {
    const play = new Play(vif, scenario);
    const undisturbed = await play.undisturbed();
    for (let at = 0; at < TOO_MANY; at++) {
      play.prepare();
      const ran = play.strike('attach', 'kill', at);
      if (ran === undefined) return play.mustHave('attach', at - 1);
      expect({ at, status: ran.status }).toEqual({ at, status: KILLED });
      expect({ at, status: play.call('attach').status }).toEqual({ at, status: 0 });
      if (scenario.type === 'vif') expect(vif.store.told(1).status).toBe('connected');
      expect({ at, ...(await vif.host.snapshotLike(undisturbed.attach)) }).toEqual({
        at,
        ...undisturbed.attach,
      });
      expect(play.call('detach').status).toBe(0);
      expect({ at, ...(await vif.host.snapshotLike(undisturbed.detach)) }).toEqual({
        at,
        ...undisturbed.detach,
      });
    }
    expect.unreachable('The plan has no end.');
  });
});
