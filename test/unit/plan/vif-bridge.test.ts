import { describe, expect, test } from 'vitest';
import { HostError } from '../../../lib/errors.ts';
import { NO_RULES } from '../../../lib/filter/forward.ts';
import { pendingRules } from '../../../lib/plan/filter/pending-rules.ts';
import { replaceForwardRules } from '../../../lib/plan/filter/rules.ts';
import { type Command, commandText, ip, record, setting } from '../../../lib/plan/step.ts';
import { isJoined, planJoin } from '../../../lib/plan/vif/bridge.ts';
import { parseVifCall } from '../../../lib/request/vif.ts';
import { BRIDGE, joinPlan, port, recordOf, rulesOf, state } from '../../support/cases/vif-cases.ts';

const CALL = parseVifCall('online', { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0' });
const JOINED = { up: true, master: 'xenbr0', address: 'fe:ff:ff:ff:ff:ff' };

describe('joining a bridge', () => {
  test('under a name that another device has is refused, naming both', () => {
    const squatted = { ...state(port('vif1.0')), port: port('vif1.0'), conflicting: 'web' };
    const request = {
      call: CALL,
      rename: { name: 'web' },
      bridge: BRIDGE,
      mtu: 1500,
      heard: {},
      inPlace: NO_RULES,
      rules: NO_RULES,
      recordPath: '/run/xen-network/vif/vif1.0',
    };
    expect(() => planJoin(squatted, request)).toThrow(HostError);
    expect(() => planJoin(squatted, request)).toThrow(
      'vif1.0 cannot take the name web: another device has it already',
    );
  });

  test('again touches neither device nor rules', () => {
    const { steps } = joinPlan(
      port('vif1.0', JOINED),
      { ip: '192.0.2.7' },
      {
        inPlace: rulesOf('vif1.0', '192.0.2.7'),
        record: recordOf('vif1.0', '192.0.2.7'),
      },
    );
    expect(steps.map((step) => step.do.tool)).toEqual(['record']);
  });

  test.each([
    ['it is down', { up: false }],
    ['it is on another bridge', { master: 'br9' }],
    ['it is on none', { master: undefined }],
    ['its MTU is another', { mtu: 1400 }],
    ['its MAC address is another', { address: '02:00:00:00:00:01' }],
  ])('has something to do when %s', (_what, differs) => {
    const request = { bridge: BRIDGE, mtu: 1500 };
    expect(isJoined(port('vif1.0', JOINED), 'vif1.0', request)).toBe(true);
    expect(isJoined(port('vif1.0', { ...JOINED, ...differs }), 'vif1.0', request)).toBe(false);
    expect(isJoined(port('vif1.0', JOINED), 'web', request)).toBe(false);
  });

  test('every change of a device has its undo beside it', () => {
    const { steps } = joinPlan(port('vif1.0', { up: true }), {
      vifname: 'webserver-number-one',
      ip: '192.0.2.7 2001:db8::7',
    });
    const without = steps.filter((step) => step.undo.length === 0).map((step) => step.why);
    // What is flushed comes back by itself once the device is up again under its own MAC address.
    expect(without).toEqual(['take all addresses from webserver-numbe']);
  });
});

describe('replacing rules', () => {
  const old = rulesOf('vif1.0', '192.0.2.7 2001:db8::7');

  test('has no step for a family that stays as it is', () => {
    const fresh = rulesOf('vif1.0', '192.0.2.8 2001:db8::7');
    expect(new Set(replaceForwardRules('vif1.0', old, fresh).map((step) => step.do.tool))).toEqual(
      new Set(['iptables']),
    );
    expect(replaceForwardRules('vif1.0', old, old)).toEqual([]);
  });

  test('takes out before it puts in, from the last to the first', () => {
    const lines = replaceForwardRules(
      'vif1.0',
      { 4: ['FORWARD a', 'FORWARD b'], 6: [] },
      { 4: ['FORWARD c', 'FORWARD d'], 6: [] },
    );
    expect(lines.map((step) => (step.do.tool === 'iptables' ? step.do.line : ''))).toEqual([
      '-D FORWARD a',
      '-D FORWARD b',
      '-I FORWARD d',
      '-I FORWARD c',
    ]);
  });
});

describe('firewall lines of an undo', () => {
  const line = (text: string): Command => ({ tool: 'iptables', table: 'filter', line: text });
  const pending = (lines: readonly string[], inPlace: readonly string[]) =>
    pendingRules(lines.map(line), ({ line: text }) => inPlace.includes(text.slice('-I '.length))).map(
      (command) => (command.tool === 'iptables' ? command.line : ''),
    );

  test.each([
    ['all done: all is undone', ['-D c', '-I b', '-I a'], ['c'], ['-D c', '-I b', '-I a']],
    ['nothing done: nothing is undone', ['-D c', '-I b', '-I a'], ['a', 'b'], []],
    ['only taken out, not done', ['-I b', '-I a'], ['a', 'b'], []],
    ['only taken out, done', ['-I b', '-I a'], [], ['-I b', '-I a']],
    ['one of them gone by other hands', ['-D c', '-D d'], ['d'], ['-D d']],
    ['one that is in both, not done', ['-D a', '-I b', '-I a'], ['a', 'b'], []],
    ['one that is in both, done', ['-D a', '-I b', '-I a'], ['a'], ['-D a', '-I b', '-I a']],
    ['a policy is always put back', [':FORWARD ACCEPT [0:0]', '-D c'], [], [':FORWARD ACCEPT [0:0]']],
  ])('%s', (_what, lines, inPlace, expected) => {
    expect(pending(lines, inPlace)).toEqual(expected);
  });
});

describe('a command as a shell line', () => {
  test.each<[string, Command, string]>([
    ['ip', ip('link', 'set', 'dev', 'vif1.0', 'up'), 'ip link set dev vif1.0 up'],
    ['an empty word', ip('link', 'set', 'dev', 'vif1.0', 'alias', ''), "ip link set dev vif1.0 alias ''"],
    [
      'a quote',
      ip('link', 'set', 'dev', 'x', 'alias', "it's $HOME"),
      "ip link set dev x alias 'it'\\''s $HOME'",
    ],
    [
      'a rule',
      { tool: 'ip6tables', table: 'filter', line: '-I FORWARD -j ACCEPT' },
      'ip6tables -w -I FORWARD -j ACCEPT',
    ],
    ['a rule of another table', { tool: 'iptables', table: 'nat', line: '-F' }, 'iptables -w -t nat -F'],
    ['a policy', { tool: 'iptables', table: 'filter', line: ':FORWARD DROP' }, 'iptables -w -P FORWARD DROP'],
    ['a setting', setting('/proc/sys/net/ipv4/ip_forward', '1'), 'echo 1 > /proc/sys/net/ipv4/ip_forward'],
    [
      'a record that goes',
      record('/run/xen-network/vif/vif1.0', undefined),
      'rm -f /run/xen-network/vif/vif1.0',
    ],
    ['a program', { tool: 'run', argv: ['ifup', 'eth0;reboot'] }, "ifup 'eth0;reboot'"],
  ])('%s', (_what, command, text) => {
    expect(commandText(command)).toBe(text);
  });
});
