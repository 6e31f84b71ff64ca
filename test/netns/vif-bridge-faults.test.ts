import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runFaulty } from '../support/faults.ts';
import type { FaultMode } from '../support/faulty-system.ts';
import { xlEnv } from '../support/host.ts';
import type { Ran } from '../support/namespace.ts';
import type { Snapshot } from '../support/snapshot.ts';
import { VifHost } from '../support/vif-host.ts';

const KILLED = 137;
/** More steps than any plan here has: a loop over steps that does not end is a failure. */
const TOO_MANY = 40;

interface Scenario {
  readonly what: string;
  /** What xenstore says of the card. */
  readonly values: Readonly<Record<string, string>>;
  readonly type: 'vif' | 'tap';
  /** How the card is before the call, beyond being there. */
  readonly before?: (vif: VifHost) => void;
  /** The fewest steps that its plan has. */
  readonly least: number;
  /** Nobody asked for rules, so that the guest is connected when the first step, its rules, fails. */
  readonly rulesOptional?: true;
}

const SCENARIOS: readonly Scenario[] = [
  { what: 'a vif', values: {}, type: 'vif', least: 8, rulesOptional: true },
  {
    what: 'a vif with a vifname that is cut, and rules in both families',
    values: { vifname: 'webserver-number-one', ip: '192.0.2.7 10.0.0.0/8 2001:db8::7', mtu: '1400' },
    type: 'vif',
    least: 12,
  },
  {
    what: 'a vif that is up, with an alias and another MTU',
    values: { vifname: 'web', ip: '192.0.2.7' },
    type: 'vif',
    before: ({ host }) => host.ip('link set vif1.0 mtu 1300 alias "made by hand"', 'link set vif1.0 up'),
    least: 10,
  },
  { what: 'a tap with a vifname', values: { vifname: 'webserver-one', ip: '192.0.2.7' }, type: 'tap', least: 11 },
  {
    what: 'a vif that is on the bridge with other addresses',
    values: { ip: '192.0.2.8' },
    type: 'vif',
    before(vif) {
      vif.store.write({ '/local/domain/0/backend/vif/1/0/ip': '192.0.2.7 2001:db8::7' });
      expect(vif.online(1).status).toBe(0);
      vif.store.write({ '/local/domain/0/backend/vif/1/0/ip': '192.0.2.8' });
    },
    least: 3,
  },
];

let vif: VifHost;

beforeAll(async () => {
  vif = await VifHost.create();
  vif.host.ok('iptables', '-A', 'FORWARD', '-s', '203.0.113.0/24', '-j', 'DROP');
});

afterAll(() => vif.host.close());

/** The card as it was before anything happened. */
function prepare(scenario: Scenario): void {
  const { values, type, before } = scenario;
  call(scenario, 'detach');
  vif.card(1, values);
  if (type === 'tap') vif.host.tap(1);
  before?.(vif);
}

function prepareAndLook(scenario: Scenario): Promise<Snapshot> {
  prepare(scenario);
  return vif.host.settled();
}

function args({ type }: Scenario, command: 'attach' | 'detach'): string[] {
  const words = { vif: { attach: 'online', detach: 'offline' }, tap: { attach: 'add', detach: 'remove' } };
  return [words[type][command], `type_if=${type}`];
}

function env({ type }: Scenario): Record<string, string> {
  return xlEnv(1, 0, type === 'tap' ? { INTERFACE: 'vif1.0-emu' } : {});
}

/** Attaches or detaches with a fault at a step; undefined when there is no such step. */
function strike(scenario: Scenario, command: 'attach' | 'detach', mode: FaultMode, at: number): Ran | undefined {
  return runFaulty(vif.host, { hook: 'vif-bridge', mode, at, args: args(scenario, command), env: env(scenario) });
}

function call(scenario: Scenario, command: 'attach' | 'detach'): Ran {
  return vif.host.hook('vif-bridge', args(scenario, command), env(scenario));
}

describe.each(SCENARIOS)('$what', (scenario) => {
  const { type, least, rulesOptional } = scenario;

  test('attaching: a failure at any step leaves all as it was, and says why', async () => {
    const start = await prepareAndLook(scenario);
    for (let at = rulesOptional ? 2 : 1; at < TOO_MANY; at++) {
      const ran = strike(scenario, 'attach', 'fail', at);
      if (ran === undefined) {
        expect(at).toBeGreaterThan(least);
        return;
      }
      expect({ at, status: ran.status }).toEqual({ at, status: 1 });
      const { status, error } = vif.store.told(1);
      expect({ at, status }).toEqual({ at, status: 'error' });
      expect(error).toMatch(
        /^vif-bridge (online|add) vif1\.0(-emu)?: Could not .+: ".+" failed \(.+\)\. Everything was put back as it was; mend the cause and try again\.$/,
      );
      expect({ at, ...(await vif.host.snapshotLike(start)) }).toEqual({ at, ...start });
    }
    expect.unreachable('The plan has no end.');
  });

  test('attaching: a kill after any step is taken back by "xen-network recover"', async () => {
    const start = await prepareAndLook(scenario);
    for (let at = 0; at < TOO_MANY; at++) {
      const ran = strike(scenario, 'attach', 'kill', at);
      if (ran === undefined) {
        expect(at).toBeGreaterThan(least);
        return;
      }
      expect({ at, status: ran.status }).toEqual({ at, status: KILLED });
      const recovered = vif.host.hook('xen-network', ['recover']);
      expect({ at, ...recovered }).toMatchObject({ at, status: 0, stderr: '' });
      expect(recovered.stdout).not.toContain('While taking it back');
      expect({ at, ...(await vif.host.snapshotLike(start)) }).toEqual({ at, ...start });
    }
    expect.unreachable('The plan has no end.');
  });

  test('attaching: after a kill at any step the same call again, and then detaching, end as ever', async () => {
    prepare(scenario);
    expect(call(scenario, 'attach').status).toBe(0);
    const attached = await vif.host.settled();
    expect(call(scenario, 'detach').status).toBe(0);
    const detached = await vif.host.settled();
    for (let at = 0; at < TOO_MANY; at++) {
      prepare(scenario);
      const ran = strike(scenario, 'attach', 'kill', at);
      if (ran === undefined) return;
      expect({ at, status: ran.status }).toEqual({ at, status: KILLED });
      expect({ at, status: call(scenario, 'attach').status }).toEqual({ at, status: 0 });
      if (type === 'vif') expect(vif.store.told(1).status).toBe('connected');
      expect({ at, ...(await vif.host.snapshotLike(attached)) }).toEqual({ at, ...attached });
      expect(call(scenario, 'detach').status).toBe(0);
      expect({ at, ...(await vif.host.snapshotLike(detached)) }).toEqual({ at, ...detached });
    }
    expect.unreachable('The plan has no end.');
  });

  test.each(['fail', 'kill'] as const)('detaching: a %s at any step, and a second call ends clean', async (mode) => {
    prepare(scenario);
    expect(call(scenario, 'attach').status).toBe(0);
    const attached = await vif.host.settled();
    expect(call(scenario, 'detach').status).toBe(0);
    const detached = await vif.host.settled();
    for (let at = mode === 'kill' ? 0 : 1; at < TOO_MANY; at++) {
      expect(call(scenario, 'attach').status).toBe(0);
      expect({ at, ...(await vif.host.snapshotLike(attached)) }).toEqual({ at, ...attached });
      const ran = strike(scenario, 'detach', mode, at);
      if (ran === undefined) return;
      expect({ at, status: ran.status }).toEqual({ at, status: mode === 'kill' ? KILLED : 0 });
      expect(call(scenario, 'detach').status).toBe(0);
      expect({ at, ...(await vif.host.snapshotLike(detached)) }).toEqual({ at, ...detached });
    }
    expect.unreachable('The plan has no end.');
  });
});

test('without ip= and antispoof, a guest gets its network even where no rule can be made', async () => {
  vif.card(1);
  const before = vif.forward();
  const [scenario] = SCENARIOS;
  const ran = scenario === undefined ? undefined : strike(scenario, 'attach', 'fail', 1);
  expect(ran?.status).toBe(0);
  expect(ran?.stderr).toMatch(/^vif-bridge: vif1\.0 is connected without filter rules: Could not /m);
  expect(vif.store.told(1)).toMatchObject({ status: 'connected', error: undefined });
  expect(vif.forward()).toEqual(before);
});
