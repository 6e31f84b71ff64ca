import { describe, expect, test } from 'vitest';
import { restore, type SharedFacts, share } from '../../../lib/plan/shared/shared-settings.ts';
import type { Command, Step } from '../../../lib/plan/step.ts';
import {
  type SharedSetting,
  type SharedSettings,
  settingKey,
  settingsOf,
} from '../../../lib/record/shared-settings.ts';
import { randomNumbers } from '../../support/random.ts';

const IP_FORWARD = '/proc/sys/net/ipv4/ip_forward';
const REDIRECTS = '/proc/sys/net/ipv4/conf/all/accept_redirects';

const SETTINGS: readonly SharedSetting[] = [
  { kind: 'setting', path: IP_FORWARD, value: '1' },
  { kind: 'setting', path: '/proc/sys/net/ipv4/conf/eth0/proxy_arp', value: '1' },
  { kind: 'policy', family: 4, value: 'DROP' },
  { kind: 'rule', family: 4, table: 'filter', rule: 'FORWARD -i a -j ACCEPT', place: 'top' },
  { kind: 'rule', family: 4, table: 'filter', rule: 'FORWARD -i b -j ACCEPT', place: 'top' },
  { kind: 'rule', family: 6, table: 'nat', rule: 'POSTROUTING -o eth0 -j MASQUERADE', place: 'end' },
];

/** The shared part of a host, in memory; the kernel's own way with forwarding included. */
class Shared {
  readonly values = new Map<string, string>();
  readonly rules: string[] = [];

  run(command: Command): void {
    if (command.tool === 'write') {
      this.values.set(command.path, command.text);
      if (command.path === IP_FORWARD) this.values.set(REDIRECTS, command.text === '1' ? '0' : '1');
    } else if ('table' in command) this.#line(`${command.tool} ${command.table}`, command.line);
    else throw new Error(`There is no ${command.tool} here.`);
  }

  #line(chain: string, line: string): void {
    const rule = `${chain} ${line.slice('-I '.length)}`;
    if (line.startsWith(':')) this.values.set('4 policy', line.split(' ')[1] ?? '');
    else if (line.startsWith('-I ')) this.rules.unshift(rule);
    else if (line.startsWith('-A ')) this.rules.push(rule);
    else this.rules.splice(this.rules.indexOf(rule), 1);
  }

  present(): Map<string, string | undefined> {
    const state = (wanted: SharedSetting) => {
      if (wanted.kind !== 'rule') return this.values.get(settingKey(wanted));
      const tool = wanted.family === 4 ? 'iptables' : 'ip6tables';
      return this.rules.includes(`${tool} ${wanted.table} ${wanted.rule}`) ? wanted.rule : undefined;
    };
    return new Map(SETTINGS.map((wanted) => [settingKey(wanted), state(wanted)]));
  }

  look(): unknown {
    return { values: [...this.values].sort(), rules: this.rules.toSorted() };
  }
}

function hostOf(roll: (sides: number) => number): Shared {
  const host = new Shared();
  const forwards = `${roll(2)}`;
  host.values.set(IP_FORWARD, forwards).set(REDIRECTS, `${roll(2)}`);
  host.values.set('/proc/sys/net/ipv4/conf/eth0/proxy_arp', `${roll(2)}`);
  host.values.set('4 policy', roll(2) === 0 ? 'ACCEPT' : 'DROP');
  for (const wanted of SETTINGS) {
    if (wanted.kind === 'rule' && roll(3) === 0)
      host.rules.push(`${wanted.family === 4 ? 'iptables' : 'ip6tables'} ${wanted.table} ${wanted.rule}`);
  }
  return host;
}

function carryOut(host: Shared, steps: readonly Step[]): void {
  for (const step of steps) host.run(step.do);
}

function factsOf(host: Shared): SharedFacts {
  const beside = new Map([[IP_FORWARD, { [REDIRECTS]: host.values.get(REDIRECTS) ?? '' }]]);
  return { present: host.present(), beside, filtersBridges: true, guests: new Map() };
}

/** Whose turn it is, what it is to hold, and what it holds so far; in the end nobody is to hold anything. */
function nextTurn(roll: (sides: number) => number, turn: number, shared: SharedSettings) {
  const holder = USERS[roll(USERS.length)] ?? '';
  const wanted = SETTINGS.filter(() => turn < 12 && roll(2) === 0);
  return { holder, wanted, earlier: settingsOf(shared, holder) };
}

const USERS = ['network-nat eth0', 'network-route eth0', 'network-bridge xenbr1', 'vif vif1.0'];

describe.each(Array.from({ length: 60 }, (_, seed) => seed))(
  'hooks that start and stop in any order, %i',
  (seed) => {
    test('leave the host as it was, and so does every undo', () => {
      const roll = randomNumbers(seed);
      const host = hostOf(roll);
      const before = host.look();
      let shared: SharedSettings = [];
      for (let turn = 0; turn < 12 || shared.length > 0; turn++) {
        const { holder, wanted, earlier } = nextTurn(roll, turn, shared);
        const now = host.look();
        const change = share(shared, factsOf(host), holder, wanted);
        carryOut(host, change.steps);
        const undo = share(change.shared, factsOf(host), holder, earlier);
        carryOut(host, undo.steps);
        expect(host.look()).toEqual(now);
        const again = share(undo.shared, factsOf(host), holder, wanted);
        carryOut(host, again.steps);
        ({ shared } = again);
        expect(share(shared, factsOf(host), holder, wanted).steps).toEqual([]);
        expect(restore(shared, factsOf(host))).toEqual([]);
      }
      expect(host.look()).toEqual(before);
    });

    test('leave it so, though one of them was killed after any of its steps', () => {
      const roll = randomNumbers(seed);
      const host = hostOf(roll);
      const before = host.look();
      let shared: SharedSettings = [];
      for (let turn = 0; turn < 12 || shared.length > 0; turn++) {
        const { holder, wanted, earlier } = nextTurn(roll, turn, shared);
        const change = share(shared, factsOf(host), holder, wanted);
        const done = roll(change.steps.length + 1);
        carryOut(host, change.steps.slice(0, done));
        // Whoever comes next takes it back by what lies there.
        const undo = share(change.meanwhile, factsOf(host), holder, roll(2) === 0 ? earlier : []);
        carryOut(host, undo.steps);
        ({ shared } = undo);
      }
      expect(host.look()).toEqual(before);
    });
  },
);
