import { describe, expect, test } from 'vitest';
import { type Claim, claimKey, type Ledger } from '../../lib/contract/claims.ts';
import { claim, release } from '../../lib/plan/forwarding.ts';
import type { Command, Step } from '../../lib/plan/step.ts';
import { planUndo } from '../../lib/plan/undo.ts';
import { randomNumbers } from '../support/random.ts';

const IP_FORWARD = '/proc/sys/net/ipv4/ip_forward';
const REDIRECTS = '/proc/sys/net/ipv4/conf/all/accept_redirects';

const CLAIMS: readonly Claim[] = [
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
    const state = (wanted: Claim) => {
      if (wanted.kind !== 'rule') return this.values.get(claimKey(wanted));
      const tool = wanted.family === 4 ? 'iptables' : 'ip6tables';
      return this.rules.includes(`${tool} ${wanted.table} ${wanted.rule}`) ? wanted.rule : undefined;
    };
    return new Map(CLAIMS.map((wanted) => [claimKey(wanted), state(wanted)]));
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
  for (const wanted of CLAIMS) {
    if (wanted.kind === 'rule' && roll(3) === 0)
      host.rules.push(`${wanted.family === 4 ? 'iptables' : 'ip6tables'} ${wanted.table} ${wanted.rule}`);
  }
  return host;
}

function carryOut(host: Shared, steps: readonly Step[]): void {
  for (const step of steps) host.run(step.do);
}

describe.each(Array.from({ length: 60 }, (_, seed) => seed))(
  'hooks that start and stop in any order, %i',
  (seed) => {
    test('leave the host as it was, and so does every undo', () => {
      const roll = randomNumbers(seed);
      const host = hostOf(roll);
      const before = host.look();
      let ledger: Ledger = [];
      const users = ['network-nat eth0', 'network-route eth0', 'network-virtual xenbr1'];
      const running = new Set<string>();
      for (let turn = 0; turn < 12 || running.size > 0; turn++) {
        const user = users[roll(users.length)] ?? '';
        const beside = new Map([[IP_FORWARD, { [REDIRECTS]: host.values.get(REDIRECTS) ?? '' }]]);
        const starts = turn < 12 && roll(2) === 0;
        const wanted = CLAIMS.filter(() => roll(2) === 0);
        const change = starts
          ? claim(ledger, host.present(), beside, wanted, user)
          : release(ledger, host.present(), user);
        const now = host.look();
        carryOut(host, change.steps);
        for (const command of planUndo(change.steps, new Map(), [])) host.run(command);
        expect(host.look()).toEqual(now);
        carryOut(host, change.steps);
        ({ ledger } = change);
        if (starts) running.add(user);
        else running.delete(user);
        if (starts)
          expect(claim(ledger, host.present(), beside, wanted, user)).toEqual({ steps: [], ledger });
      }
      expect(ledger).toEqual([]);
      expect(host.look()).toEqual(before);
    });
  },
);
