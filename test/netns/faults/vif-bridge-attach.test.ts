import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KILLED, Play, SCENARIOS, TOO_MANY } from '../../support/faults/vif-scenarios.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

let vif: VifHost;

beforeAll(async () => {
  vif = await VifHost.create();
  vif.host.ok('iptables', '-A', 'FORWARD', '-s', '203.0.113.0/24', '-j', 'DROP');
});

afterAll(() => vif.host.close());

const SENTENCE =
  /^vif-bridge (online|add) vif1\.0(-emu)?: Could not .+: ".+" failed \(.+\)\. Everything was put back as it was; mend the cause and try again\.$/;

describe.each(SCENARIOS)('attaching $what', (scenario) => {
  const { type, rulesOptional } = scenario;

  test('a failure at any step leaves all as it was, and says why', async () => {
    const play = new Play(vif, scenario);
    const start = await play.start();
    for (let at = rulesOptional ? 2 : 1; at < TOO_MANY; at++) {
      const ran = play.strike('attach', 'fail', at);
      if (ran === undefined) return play.mustHave('attach', at - 1);
      expect({ at, status: ran.status }).toEqual({ at, status: 1 });
      expect({ at, ...vif.store.told(1) }).toMatchObject({
        at,
        status: 'error',
        error: expect.stringMatching(SENTENCE),
      });
      expect({ at, ...(await vif.host.snapshotLike(start)) }).toEqual({ at, ...start });
    }
    expect.unreachable('The plan has no end.');
  });

  test('a kill after any step is taken back by "xen-network recover"', async () => {
    const play = new Play(vif, scenario);
    const start = await play.start();
    for (let at = 0; at < TOO_MANY; at++) {
      const ran = play.strike('attach', 'kill', at);
      if (ran === undefined) return play.mustHave('attach', at - 1);
      expect({ at, status: ran.status }).toEqual({ at, status: KILLED });
      const recovered = vif.host.hook('xen-network', ['recover']);
      const stdout = 'An interrupted run of vif1.0 was found and taken back.\n'.replace(
        '1.0',
        type === 'tap' ? '1.0-emu' : '1.0',
      );
      expect({ at, ...recovered }).toEqual({ at, status: 0, stdout, stderr: '' });
      expect({ at, ...(await vif.host.snapshotLike(start)) }).toEqual({ at, ...start });
    }
    expect.unreachable('The plan has no end.');
  });
});

test('without ip= and antispoof, a guest gets its network even where no rule can be made', () => {
  const [plain] = SCENARIOS;
  const play = plain === undefined ? undefined : new Play(vif, plain);
  play?.prepare();
  const before = vif.forward();
  const ran = play?.strike('attach', 'fail', 1);
  expect(ran?.status).toBe(0);
  expect(ran?.stderr).toMatch(/^vif-bridge: vif1\.0 is connected without filter rules: Could not /m);
  expect(vif.store.told(1)).toMatchObject({ status: 'connected', error: undefined });
  expect(vif.forward()).toEqual(before);
});
