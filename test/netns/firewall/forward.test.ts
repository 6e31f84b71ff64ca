import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { xlEnv } from '../../support/hosts/host.ts';
import { guestMac, StrictHost } from '../../support/hosts/strict-host.ts';

let host: StrictHost;

const ok = (...words: string[]): string => host.vif.host.ok(...words);
const forward = (tool: string): string[] =>
  ok(tool, '-S', 'FORWARD')
    .split('\n')
    .filter((line) => line.startsWith('-A'));
const rulesIn = (backEnd: 'nft' | 'legacy'): number[] =>
  ['iptables', 'ip6tables'].map(
    (tool) => forward(`${tool}-${backEnd}`).filter((line) => line.includes('xen-network')).length,
  );

beforeAll(async () => {
  host = await StrictHost.create();
});

afterAll(() => host.vif.host.close());

beforeEach(() => {
  for (const tool of ['iptables', 'ip6tables'])
    for (const backEnd of ['nft', 'legacy'])
      ok('sh', '-c', `${tool}-${backEnd} -F; ${tool}-${backEnd} -P FORWARD ACCEPT`);
  host.vif.host.run(['nft', 'flush', 'ruleset']);
  ok('sh', '-c', 'rm -rf /run/xen-network');
  host.vif.card(1, { mac: guestMac(1), ip: '192.0.2.1 2001:db8::1' });
});

describe('the back end of iptables', () => {
  test('is the one of the command iptables, though the legacy tables were looked at', () => {
    expect(host.vif.online(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(rulesIn('nft')).toEqual([3, 5]);
    expect(rulesIn('legacy')).toEqual([0, 0]);
    expect(host.vif.offline(1).status).toBe(0);
    expect(rulesIn('nft')).toEqual([0, 0]);
  });

  test('is the legacy one where that holds the rules, and stays it for this guest', () => {
    ok('iptables-legacy', '-A', 'FORWARD', '-s', '203.0.113.9', '-j', 'DROP');
    ok('iptables-legacy', '-P', 'FORWARD', 'DROP');
    const own = forward('iptables-legacy');
    const shown = host.vif.host.hook('vif-bridge', ['online', '--dry-run'], xlEnv(1)).stdout;
    expect(shown).toMatch(/^iptables-legacy -w -I FORWARD -s 192\.0\.2\.1\/32 /m);
    expect(host.vif.host.snapshot()['files']).toEqual([]);
    expect(host.vif.online(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(rulesIn('legacy')).toEqual([3, 5]);
    expect(rulesIn('nft')).toEqual([0, 0]);
    ok('iptables-nft', '-A', 'FORWARD', '-s', '203.0.113.9', '-j', 'DROP');
    expect(host.vif.online(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(rulesIn('legacy')).toEqual([3, 5]);
    expect(host.vif.offline(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(rulesIn('legacy')).toEqual([0, 0]);
    expect(forward('iptables-legacy')).toEqual(own);
  });

  test('is that of nftables where both hold rules', () => {
    for (const backEnd of ['nft', 'legacy'])
      ok(`iptables-${backEnd}`, '-A', 'FORWARD', '-s', '203.0.113.9', '-j', 'DROP');
    expect(host.vif.online(1).status).toBe(0);
    expect(rulesIn('nft')).toEqual([3, 5]);
    expect(rulesIn('legacy')).toEqual([0, 0]);
    expect(host.vif.offline(1).status).toBe(0);
  });
});

describe("somebody else's FORWARD that drops", () => {
  const online = (...words: string[]) => host.vif.host.hook('vif-bridge', ['online', ...words], xlEnv(1));

  beforeEach(() => {
    host.bridgeNf(true);
    for (const tool of ['iptables', 'ip6tables']) ok(tool, '-P', 'FORWARD', 'DROP');
  });

  test('is passed by a guest under the strict filter, by rules in the families that need them', () => {
    expect(online('antispoof=strict')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(rulesIn('nft')).toEqual([3, 5]);
    expect(host.vif.offline(1).status).toBe(0);
    expect(rulesIn('nft')).toEqual([0, 0]);
    ok('ip6tables', '-P', 'FORWARD', 'ACCEPT');
    expect(online('antispoof=strict').status).toBe(0);
    expect(rulesIn('nft')).toEqual([3, 0]);
    expect(host.vif.offline(1).status).toBe(0);
  });

  test('is no matter where bridged packets do not go through iptables', () => {
    host.bridgeNf(false);
    expect(online('antispoof=strict', 'filter=no')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(rulesIn('nft')).toEqual([0, 0]);
    expect(host.vif.offline(1).status).toBe(0);
  });

  test("matters where the bridge's own setting sends its packets through iptables", () => {
    host.bridgeNf(false);
    host.vif.host.ip('link set xenbr0 type bridge nf_call_iptables 1');
    expect(online('antispoof=strict')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(rulesIn('nft')).toEqual([3, 0]);
    expect(host.vif.offline(1).status).toBe(0);
    expect(online('filter=no').stderr).toContain(
      'or set nf_call_iptables and nf_call_ip6tables in /sys/class/net/xenbr0/bridge to 0.',
    );
    expect(host.vif.offline(1).status).toBe(0);
    host.vif.host.ip('link set xenbr0 type bridge nf_call_iptables 0');
  });

  test('is named, with what to do, where nothing lets the guest pass', () => {
    host.vif.host.ip('link add docker0 type bridge');
    const ran = online('filter=no');
    host.vif.host.ip('link del docker0');
    expect(ran.status).toBe(0);
    expect(ran.stderr.match(/is cut off/g)).toHaveLength(2);
    expect(ran.stderr).toContain(
      'the chain ip filter FORWARD drops what no rule lets pass (Docker, most likely)',
    );
    expect(ran.stderr).toContain(
      'Let them pass (leave filter=no out), or set net.bridge.bridge-nf-call-iptables',
    );
    expect(host.vif.offline(1).status).toBe(0);
  });

  test('is found where a last rule ends what a policy would let pass, and passed by rules', () => {
    for (const tool of ['iptables', 'ip6tables']) ok(tool, '-P', 'FORWARD', 'ACCEPT');
    ok('iptables', '-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT');
    ok('iptables', '-A', 'FORWARD', '-j', 'REJECT');
    expect(online('antispoof=strict', 'filter=no').stderr).toContain('the chain ip filter FORWARD drops');
    expect(host.vif.offline(1).status).toBe(0);
    expect(online('antispoof=strict')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(host.vif.host.ok('iptables', '-S', 'FORWARD')).toContain('--physdev-out vif1.0');
    expect(host.vif.offline(1).status).toBe(0);
    // What lets all bridged packets pass before it leaves nothing to be done.
    ok('iptables', '-I', 'FORWARD', '-m', 'physdev', '--physdev-is-bridged', '-j', 'ACCEPT');
    expect(online('antispoof=strict', 'filter=no')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(host.vif.offline(1).status).toBe(0);
    ok('iptables', '-F', 'FORWARD');
  });

  test("is named where it stands in a table of nft's own, which iptables cannot open", () => {
    for (const tool of ['iptables', 'ip6tables']) ok(tool, '-P', 'FORWARD', 'ACCEPT');
    ok('nft', 'add table inet firewall');
    ok('nft', 'add chain inet firewall forward { type filter hook forward priority 0; policy drop; }');
    const ran = online('antispoof=strict');
    expect(ran.status).toBe(0);
    expect(ran.stderr).toContain('the chain inet firewall forward drops what no rule lets pass');
    expect(ran.stderr).toContain('add a rule there: iifname "xenbr0" oifname "xenbr0" accept');
    expect(host.vif.offline(1).status).toBe(0);
  });
});
