import { describe, expect, test } from 'vitest';
import { batches, quickRuns } from '../../../lib/apply/execute.ts';
import { NO_RULES, type RuleSet } from '../../../lib/filter/forward.ts';
import type { Port } from '../../../lib/observe/host/port.ts';
import type { VifRecord } from '../../../lib/observe/records.ts';
import { type Command, commandText, ip, type Plan, type Step } from '../../../lib/plan/step.ts';
import { planUndo } from '../../../lib/plan/undo.ts';
import { planLeave } from '../../../lib/plan/vif/bridge.ts';
import { joinPlan, port, recordOf, rulesOf, state, type Wanted } from '../../support/cases/vif-cases.ts';
import { ModelHost } from '../../support/models/model-host.ts';

const set = (name: string, ...rest: string[]) => ip('link', 'set', 'dev', name, ...rest);

/** How far a run came: `done` steps took effect, and its journal says that `begun` may have. */
interface Progress {
  readonly done: number;
  readonly begun: number;
}

/** Every point at which a run can fail or be killed: within a batch of `ip` anywhere, at a restore before or after. */
function progresses(plan: Plan): Progress[] {
  const found = new Map([['0 0', { done: 0, begun: 0 }]]);
  let before = 0;
  for (const quickRun of quickRuns(batches(plan.steps, (step) => step.do))) {
    const noted = before + quickRun.flatMap(({ items }) => items).length;
    for (const { tool, items } of quickRun) {
      const end = before + items.length;
      for (let done = before; done <= end; done++) {
        const inRestore = tool !== 'ip' && done > before && done < end;
        for (const begun of inRestore ? [] : [done, noted]) found.set(`${done} ${begun}`, { done, begun });
      }
      before = end;
    }
  }
  return [...found.values()];
}

/** Runs a part of a plan on a host and takes it back, as lib/apply does. */
function runAndUndo(host: ModelHost, plan: Plan, { done, begun }: Progress): void {
  const before = [...host.indexes().values()];
  for (const step of plan.steps.slice(0, done)) host.run(step.do);
  host.force(planUndo(plan.steps.slice(0, begun), host.indexes(), before, host.ports()).commands);
}

interface Case {
  readonly found: Port;
  readonly wanted?: Wanted;
  readonly inPlace?: RuleSet;
  readonly record?: VifRecord;
}

const joined = { up: true, master: 'xenbr0', address: 'fe:ff:ff:ff:ff:ff' };
const both = '192.0.2.7 2001:db8::7';

const twoRules = rulesOf('vif1.0', '192.0.2.7 192.0.2.8');

const CASES: Readonly<Record<string, Case>> = {
  'a fresh vif': { found: port('vif1.0') },
  'a fresh vif with addresses': { found: port('vif1.0'), wanted: { ip: both } },
  'a vif that is up already': {
    found: port('vif1.0', { up: true, mtu: 1400, alias: 'mine' }),
    wanted: { vifname: 'web', mtu: 9000 },
  },
  'a vifname': { found: port('vif1.0'), wanted: { vifname: 'web', ip: '192.0.2.7' } },
  'a vifname that is cut': { found: port('vif1.0'), wanted: { vifname: 'webserver-number-one', ip: both } },
  'a tap': { found: port('vif1.0-emu'), wanted: { command: 'add', vifname: 'web' } },
  'a vif on another bridge': {
    found: port('vif1.0', { ...joined, master: 'br9' }),
    wanted: { vifname: 'web', ip: both },
  },
  'other addresses': {
    found: port('vif1.0', joined),
    wanted: { ip: '192.0.2.8' },
    inPlace: rulesOf('vif1.0', both),
    record: recordOf('vif1.0', both),
  },
  'one address less': {
    found: port('vif1.0', joined),
    wanted: { ip: '192.0.2.8' },
    inPlace: twoRules,
    record: recordOf('vif1.0', '192.0.2.7 192.0.2.8'),
  },
};

function hostOf({ found, inPlace = NO_RULES, record }: Case): ModelHost {
  const host = new ModelHost();
  host.device('lo', { index: 1, up: true });
  host.device('xenbr0', { index: 3, up: true });
  host.device('br9', { index: 4, up: true });
  const { name, index, up, mtu, address, master, alias } = found;
  host.device(name, { index, up, mtu, mac: address, master, alias });
  for (const rule of inPlace[4]) host.rule('iptables', rule);
  for (const rule of inPlace[6]) host.rule('ip6tables', rule);
  host.rule('iptables', 'FORWARD -s 203.0.113.0/24 -j DROP');
  if (record !== undefined) host.file('/run/xen-network/vif/vif1.0', JSON.stringify(record));
  return host;
}

function planOf(given: Case): Plan {
  const { found, wanted, inPlace = NO_RULES, record } = given;
  return joinPlan(found, wanted, record === undefined ? { inPlace } : { inPlace, record });
}

describe.each(Object.entries(CASES))('joining a bridge, %s', (_name, given) => {
  const plan = planOf(given);

  test('the whole plan can be carried out', () => {
    const host = hostOf(given);
    for (const step of plan.steps) host.run(step.do);
    const name =
      given.wanted?.vifname === undefined
        ? given.found.name
        : plan.steps.find((step) => step.device)?.device?.name;
    expect(name).toBeDefined();
    const ports = host
      .names()
      .filter((device) => host.get(device)?.master === 'xenbr0' && host.get(device)?.up);
    expect(ports).toHaveLength(1);
  });

  test.each(progresses(plan))('$done steps done and $begun begun are taken back to the start', (progress) => {
    const host = hostOf(given);
    const start = host.state();
    runAndUndo(host, plan, progress);
    expect(host.state()).toEqual(start);
  });

  test('a stranger that has the name by then is left alone', () => {
    const host = hostOf(given);
    for (const step of plan.steps) host.run(step.do);
    const name = plan.steps.findLast((step) => step.device !== undefined)?.device?.name ?? given.found.name;
    host.run(ip('link', 'del', 'dev', name));
    host.device(name, { index: 99, up: true, master: 'xenbr0' });
    const stranger = { ...host.get(name) };
    host.force(planUndo(plan.steps, host.indexes(), [1, 3, 4, given.found.index], host.ports()).commands);
    expect(host.get(name)).toEqual(stranger);
  });
});

describe('leaving a bridge', () => {
  const found = port('web', { ...joined, alias: 'xen-network vif1.0' });
  const given: Case = { found, inPlace: rulesOf('web', both), record: recordOf('web', both) };
  const plan = planLeave(
    state(found, given.record),
    'web',
    rulesOf('web', both),
    '/run/xen-network/vif/vif1.0',
  );

  test('leaves the device down and alone, and nothing of ours', () => {
    const host = hostOf(given);
    for (const step of plan.steps) host.run(step.do);
    const { up, master } = host.get('web') ?? {};
    expect({ up, master }).toEqual({ up: false, master: undefined });
    expect(host.state()).toMatchObject({
      rules: [['iptables', ['FORWARD -s 203.0.113.0/24 -j DROP']]],
      files: [],
    });
  });

  test.each(progresses(plan))('$done steps done and $begun begun are taken back to the start', (progress) => {
    const host = hostOf(given);
    const start = host.state();
    runAndUndo(host, plan, progress);
    expect(host.state()).toEqual(start);
  });
});

describe('a bridge that goes with its ports', () => {
  const lose = (name: string, index: number, up: boolean) => ({
    name,
    index,
    up,
    join: set(name, 'master', 'br0'),
    settings: [set(name, 'alias', 'mine')],
  });
  const step: Step = {
    do: ip('link', 'del', 'dev', 'br0'),
    undo: [ip('link', 'add', 'name', 'br0')],
    why: 'take away the bridge br0',
    device: { name: 'br0', index: 2, gone: ['br0'] },
    ports: [lose('vif1.0', 3, true), lose('vif2.0', 4, false)],
  };

  /** The host on which the bridge went away a moment ago, and what comes back after something happened to the ports. */
  function backAfter(happens: (host: ModelHost) => void): (string | undefined)[] {
    const host = new ModelHost();
    host.device('lo', { index: 1 });
    host.device('vif1.0', { index: 3, up: true });
    host.device('vif2.0', { index: 4 });
    host.device('br9', { index: 5, up: true });
    happens(host);
    host.force(planUndo([step], host.indexes(), [1, 2, 3, 4, 5], host.ports()).commands);
    return ['vif1.0', 'vif2.0'].map((name) => {
      const { master, alias } = host.get(name) ?? {};
      expect(alias).toBe(master === 'br0' ? 'mine' : '');
      return master;
    });
  }

  test.each<[what: string, happens: (host: ModelHost) => void, masters: (string | undefined)[]]>([
    ['nothing', () => {}, ['br0', 'br0']],
    ['one was taken down', (host) => host.run(set('vif1.0', 'down')), [undefined, 'br0']],
    ['one was brought up', (host) => host.run(set('vif2.0', 'up')), ['br0', 'br0']],
    ['one joined another bridge', (host) => host.run(set('vif1.0', 'master', 'br9')), ['br9', 'br0']],
    [
      'another device got the name of one',
      (host) => host.device('vif2.0', { index: 9, up: true }),
      ['br0', undefined],
    ],
    [
      'an undo that was killed made the bridge, and put one on it',
      (host) => {
        host.run(ip('link', 'add', 'name', 'br0'));
        host.run(set('vif1.0', 'master', 'br0'));
      },
      ['br0', 'br0'],
    ],
  ])('puts back the ports that are as it left them: %s', (_what, happens, masters) => {
    expect(backAfter(happens)).toEqual(masters);
  });

  test('leaves a guest alone that was detached meanwhile, even if it was down before, and says so of each', () => {
    const lost = { ...lose('vif2.0', 4, false), guest: 'vif2.0' };
    const back = (attachedTo: string | undefined) =>
      planUndo(
        [{ ...step, ports: [lost] }],
        new Map(),
        [4],
        [{ name: 'vif2.0', index: 4, up: false, master: undefined, attachedTo }],
      );
    expect(back('br0').commands).toHaveLength(3);
    for (const bridge of [undefined, 'br9']) {
      expect(back(bridge).commands.map(commandText)).toEqual(['ip link add name br0']);
      expect(back(bridge).leftAlone).toEqual([
        'vif2.0 was not put back on br0, since vif2.0 was detached meanwhile',
      ]);
    }
  });

  test('leaves ports alone where the bridge never went', () => {
    const joined = backAfter((host) => host.device('br0', { index: 2, up: true }));
    expect(joined).toEqual([undefined, undefined]);
  });

  test('makes the bridge before its ports join, and gives them what they were told once all have joined', () => {
    const now = [3, 4].map((index) => ({ name: `vif${index - 2}.0`, index, up: true, master: undefined }));
    const commands = planUndo([step], new Map(), [1, 2, 3, 4], now).commands.map(commandText);
    expect(commands).toEqual([
      'ip link add name br0',
      'ip link set dev vif1.0 master br0',
      'ip link set dev vif2.0 master br0',
      'ip link set dev vif1.0 alias mine',
      'ip link set dev vif2.0 alias mine',
    ]);
  });
});

describe('a device that somebody put elsewhere after the run', () => {
  const card = { name: 'eth0', index: 2 };
  const enslave: Step = {
    do: set('eth0', 'master', 'br0'),
    undo: [set('eth0', 'nomaster')],
    why: 'enslave eth0 to br0',
    device: card,
  };
  const release: Step = {
    do: set('eth0', 'nomaster'),
    undo: [
      set('eth0', 'master', 'br0'),
      { tool: 'write', path: '/sys/class/net/eth0/brport/isolated', text: '1' },
      { tool: 'bridge', args: ['vlan', 'add', 'dev', 'eth0', 'vid', '7'] },
    ],
    why: 'release eth0 from br0',
    device: card,
  };
  const change: Step = { ...enslave, undo: [set('eth0', 'master', 'br1')] };
  const rise: Step = {
    do: set('eth0', 'up'),
    undo: [set('eth0', 'down')],
    why: 'bring up eth0',
    device: card,
  };

  /** What the undo does and says, where the card is on a bridge by then. */
  function undone(steps: readonly Step[], master: string | undefined) {
    const devices = new Map(['lo', 'eth0', 'br0', 'br1', 'br9'].map((name, i) => [name, i + 1]));
    const ports = [{ ...card, up: true, master }];
    const { commands, leftAlone } = planUndo(steps, devices, [...devices.values()], ports);
    return { commands: commands.map(commandText), leftAlone };
  }

  const onBr9 = ['eth0 was left on br9, where somebody put it meanwhile'];
  const alone = ['eth0 was left without a bridge, since somebody took it off its own meanwhile'];

  test.each<[what: string, step: Step, master: string | undefined, commands: number, said: string[]]>([
    ['joined, and is there', enslave, 'br0', 1, []],
    ['joined, or did not yet', enslave, undefined, 1, []],
    ['joined, and is on another bridge', enslave, 'br9', 0, onBr9],
    ['left, and is off', release, undefined, 3, []],
    ['left, and an undo has put it back', release, 'br0', 3, []],
    ['left, and is on another bridge', release, 'br9', 0, onBr9],
    ['changed bridges, and is there', change, 'br0', 1, []],
    ['changed bridges, or did not yet', change, 'br1', 1, []],
    ['changed bridges, and is on a third', change, 'br9', 0, onBr9],
    ['changed bridges, and is on none', change, undefined, 0, alone],
  ])('which %s', (_what, step, master, commands, said) => {
    const found = undone([step], master);
    expect(found.leftAlone).toEqual(said);
    expect(found.commands).toHaveLength(commands);
  });

  test('is told of once, and all else is undone', () => {
    expect(undone([enslave, rise, release], 'br9')).toEqual({
      commands: ['ip link set dev eth0 down'],
      leftAlone: onBr9,
    });
  });

  test('is known where the bridge was renamed since', () => {
    const rename: Step = {
      do: set('br0', 'name', 'br7'),
      undo: [set('br7', 'name', 'br0')],
      why: 'rename br0 to br7',
      device: { name: 'br7', index: 3 },
    };
    const devices = new Map([
      ['eth0', 2],
      ['other', 3],
    ]);
    const { leftAlone } = planUndo(
      [rename, enslave],
      devices,
      [2, 3],
      [{ ...card, up: true, master: 'other' }],
    );
    expect(leftAlone).toEqual([]);
  });
});

/** A small generator of numbers, the same in every run (mulberry32). */
function dice(seed: number): (sides: number) => number {
  let at = seed;
  return (sides) => {
    at = (at + 0x6d2b79f5) | 0;
    let mixed = Math.imul(at ^ (at >>> 15), at | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

function baseHost(): ModelHost {
  const host = new ModelHost();
  for (const name of ['lo', 'eth0', 'eth1', 'br0']) host.device(name);
  return host;
}

const NAMES = ['eth0', 'eth1', 'peth0', 'peth1', 'br0', 'br1', 'veth0'];

/** One change that can be made to the host as it is, with what takes it back: what real plans consist of. */
function randomStep(
  host: ModelHost,
  before: readonly number[],
  roll: (sides: number) => number,
): Step | undefined {
  const pick = (names: readonly string[]) => names[roll(names.length)] ?? '';
  const name = pick(host.names());
  const device = host.get(name);
  if (device === undefined) return undefined;
  const known = before.includes(device.index);
  const step = (does: Command, undo: Command, called = name, isNew = !known): Step => ({
    do: does,
    undo: [undo],
    why: 'change',
    device: { name: called, index: isNew ? 'new' : device.index },
  });
  const free = pick(NAMES.filter((other) => !host.names().includes(other)));
  switch (roll(6)) {
    case 0:
      return free === ''
        ? undefined
        : step(ip('link', 'add', 'name', free), ip('link', 'del', 'dev', free), free, true);
    case 1:
      return free === '' || device.up
        ? undefined
        : step(set(name, 'name', free), set(free, 'name', name), free);
    case 2:
      return step(set(name, device.up ? 'down' : 'up'), set(name, device.up ? 'up' : 'down'));
    case 3:
      return step(set(name, 'mtu', `${1000 + roll(500)}`), set(name, 'mtu', `${device.mtu}`));
    case 4:
      return device.up
        ? undefined
        : step(set(name, 'address', `02:00:00:00:01:${10 + roll(80)}`), set(name, 'address', device.mac));
    default:
      return step(set(name, 'alias', `alias ${roll(100)}`), set(name, 'alias', device.alias));
  }
}

function randomPlan(seed: number): Plan {
  const roll = dice(seed);
  const host = baseHost();
  const before = [...host.indexes().values()];
  const steps: Step[] = [];
  while (steps.length < 12) {
    const step = randomStep(host, before, roll);
    if (step === undefined) continue;
    host.run(step.do);
    steps.push(step);
  }
  return { steps, warnings: [] };
}

describe('any plan of renames, new devices and settings', () => {
  test.each(Array.from({ length: 100 }, (_, seed) => seed))(
    'number %i is taken back from every point',
    (seed) => {
      const plan = randomPlan(seed);
      const start = baseHost().state();
      for (const progress of progresses(plan)) {
        const host = baseHost();
        runAndUndo(host, plan, progress);
        expect({ progress, state: host.state() }).toEqual({ progress, state: start });
      }
    },
  );
});
