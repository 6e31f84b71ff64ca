import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Host } from '../support/hosts/host.ts';
import type { Ran } from '../support/hosts/namespace.ts';
import { OWNER } from '../support/hosts/vif-host.ts';

const PROGRAM = '/etc/xen/scripts/xen-network';
const PACKAGED = join(import.meta.dirname, '../../dist/xen-network-pkg');
const TITLE = 'xen-network sandbox: a Xen host and its guests, in throw-away namespaces';
const LAST_LINE = /^Nothing is left of the sandbox\. It took \d+\.\d s\.$/;
const PINGS = /^ {2}✓ (\w+ → \w+) +192\.0\.2\.\d+ +[\d.]+ ms +2001:db8::\d+ +[\d.]+ ms$/;
const REFUSAL = /^ {4}vif-bridge online vif3\.0: .*xenbr7.* does not exist\./;

let host: Host;
let before: string;

beforeAll(async () => {
  host = await Host.create();
  host.nic('eth0', { address: '203.0.113.2/24', gateway: '203.0.113.1' });
  host.write('/etc/xen/scripts/vif-post.d/trap.hook', 'echo caught >/etc/xen/trap\n', '755');
  before = traces();
});

afterEach(() => expect(traces()).toBe(before));

afterAll(() => host.close());

/** What the sandbox could leave: processes, namespaces, mounts, files, devices, addresses, rules. */
function traces(): string {
  const look = `
    processes=$(cat /proc/[0-9]*/comm)
    namespaces=$(readlink /proc/[0-9]*/ns/net /proc/[0-9]*/ns/mnt /proc/[0-9]*/ns/pid)
    echo "$processes" | sort
    echo "$namespaces" | sort -u
    cat /proc/self/mounts
    find /run /etc/xen /var/log/xen | sort
    ip -o address
    ip route
    ip netns list
    iptables -S
  `;
  return host.ok('sh', '-c', look);
}

function sandbox(...words: string[]): Ran {
  return host.hook('xen-network', ['sandbox', ...words]);
}

/** The printed lines, without the times that hooks took. */
function linesOf(ran: Ran): string[] {
  return ran.stdout.split(/\r?\n/).map((line) => line.replace(/ \(\d+ ms\)$/, ''));
}

/** Runs a shell command on a terminal. */
function onTerminal(command: string, input: string, env: Readonly<Record<string, string>> = {}): Ran {
  return host.run(['script', '--quiet', '--return', '--command', command, '/dev/null'], {
    input,
    env: { PATH: '/usr/sbin:/usr/bin', TERM: 'xterm', SHELL: '/bin/sh', ...env },
  });
}

describe('piped', () => {
  test.each([
    { topology: 'classic', script: 'network-bridge', bridge: 'xenbr0', ports: ['peth0', 'vif0.0'] },
    { topology: 'rename', script: 'network-bridge topology=rename', bridge: 'eth0', ports: ['peth0'] },
    { topology: 'plain', script: 'network-bridge topology=plain', bridge: 'xenbr0', ports: ['eth0'] },
  ])('topology $topology: all acts, in plain text', ({ topology, script, bridge, ports }) => {
    const ran = sandbox('--topology', topology);
    expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status: 0, stderr: '' });
    const lines = linesOf(ran);
    expect(lines[0]).toBe(TITLE);
    expect(lines.at(-2)).toMatch(LAST_LINE);
    expect(ran.stdout).not.toContain('\x1b');
    expect(lines.filter((line) => line.includes('✗'))).toEqual([]);

    expect(lines).toContain(`xend starts, with (network-script '${script}')`);
    expect(lines).toContain(`  ✓ the bridge ${bridge} has ${ports.join(' and ')}`);
    expect(lines).toContain('  dom0# XENBUS_PATH=backend/vif/1/0 vif=vif1.0 vif-bridge online type_if=vif');
    expect(lines).toContain('  ✓ guest1 has hotplug-status "connected"');
    expect(lines).toContain('  ✓ guest2 has hotplug-status "connected", and its vif is called web');

    const table = lines.slice(lines.findIndex((line) => line.startsWith('    bridge name')) + 1);
    const row = new RegExp(`^ {4}${bridge} +8000\\.[0-9a-f]{12} +no +${ports[0]}$`);
    expect(table[0]).toMatch(row);
    const others = [...ports.slice(1), 'vif1.0', 'web'];
    expect(table.slice(1, others.length + 1).map((line) => line.trim())).toEqual(others);
    for (const [vif, address] of [
      ['vif1.0', '192.0.2.11'],
      ['web', '192.0.2.12'],
    ]) {
      const rule = `-A FORWARD -s ${address}/32 -m physdev --physdev-in ${vif} --physdev-is-bridged -j ACCEPT`;
      expect(lines.map((line) => line.replace(OWNER, ''))).toContain(`    ${rule}`);
    }

    expect(lines.map((line) => PINGS.exec(line)?.[1]).filter(Boolean)).toEqual([
      'guest1 → guest2',
      'guest2 → guest1',
      'guest1 → gateway',
      'guest2 → gateway',
      'dom0 → gateway',
      'dom0 → guest1',
    ]);
    expect(lines.filter((line) => REFUSAL.test(line))).toHaveLength(1);
    expect(lines).toContain('  ✓ refused, and nothing was changed:');
    expect(lines).toContainEqual(expect.stringMatching(/^ {4}├─ guest1 \(1\) +vif1\.0 .* connected$/));
    expect(lines).toContain('    1 error, 0 warnings.');
    expect(lines).toContain('  ✓ dom0 has the devices, addresses, routes and rules that it had before');
  });

  test('the second build, on Node, plays the same acts', (context) => {
    if (!existsSync(PACKAGED)) context.skip('dist/xen-network-pkg is not built (npm run build:pkg)');
    const ran = host.run([PACKAGED, 'sandbox']);
    expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status: 0, stderr: '' });
    const untimed = (given: Ran) =>
      linesOf(given).map((line) => line.replace(/ +[\d.]+ m?s\b/g, ' some time'));
    expect(untimed(ran)).toEqual(untimed(sandbox('--topology', 'classic')));
    expect(linesOf(ran).at(-2)).toMatch(LAST_LINE);
  });

  test('a reader that leaves early is no failure', () => {
    const ran = host.run(['bash', '--norc', '-c', `set -o pipefail; ${PROGRAM} sandbox | head -n 1`]);
    expect(ran).toEqual({ status: 0, stdout: `${TITLE}\n`, stderr: '' });
  });
});

describe('on a terminal', () => {
  test('in colour, but not with NO_COLOR', () => {
    const colourful = onTerminal(`${PROGRAM} sandbox`, '');
    expect(colourful.status).toBe(0);
    expect(colourful.stdout).toContain('\x1b[32m✓\x1b[0m');
    const plain = onTerminal(`${PROGRAM} sandbox`, '', { NO_COLOR: '1' });
    expect(plain.status).toBe(0);
    expect(plain.stdout).toContain('✓');
    expect(plain.stdout).not.toContain('\x1b');
  });

  test('--shell opens a shell in dom0, with the hooks at hand; what runs there ends with it', () => {
    const typed = [
      'network-bridge status',
      'ip netns exec guest1 ping -c 1 192.0.2.1',
      'sleep 1000 &',
      'exit',
      '',
    ];
    const ran = onTerminal(`${PROGRAM} sandbox --shell`, typed.join('\n'), { NO_COLOR: '1' });
    expect(ran.status).toBe(0);
    expect(ran.stdout).toContain('1 packets transmitted, 1 received');
    expect(ran.stdout).toContain('bridge name\tbridge id');
    expect(linesOf(ran)).toContain('  ✓ guest2 is gone');
  });

  test('--shell with a SHELL that is not there fails, with a sentence', () => {
    const ran = onTerminal(`SHELL=/nonexistent ${PROGRAM} sandbox --shell`, '');
    expect(ran.status).toBe(1);
    expect(ran.stdout).toContain('xen-network: /nonexistent cannot be started: ');
  });
});

describe('what goes wrong', () => {
  test('--shell without a terminal is refused', () => {
    const ran = sandbox('--shell');
    expect(ran).toEqual({
      status: 1,
      stdout: '',
      stderr: 'xen-network: --shell needs a terminal for standard input and output; leave it out.\n',
    });
  });

  test('anybody but root is refused', () => {
    // The capability lets nobody read the program wherever the project lies.
    const capability = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...capability];
    const ran = host.run([...nobody, PROGRAM, 'sandbox']);
    expect(ran).toEqual({
      status: 1,
      stdout: '',
      stderr: 'xen-network: The sandbox makes network namespaces, which only root may: run it with sudo.\n',
    });
  });

  test('the part for the namespaces refuses to run outside of them', () => {
    const ran = sandbox('--inside', 'net:[1]');
    expect(ran.status).toBe(1);
    expect(ran.stderr).toMatch(/^xen-network: --inside is for the sandbox alone.*\n$/);
  });

  test('a missing program is named, with its package', () => {
    const script = 'mount -t tmpfs tmpfs "$(dirname "$(command -v iptables)")" && exec "$0" sandbox';
    const ran = host.run(['unshare', '--mount', 'sh', '-c', script, PROGRAM]);
    expect(ran.status).toBe(1);
    expect(ran.stderr).toMatch(/^xen-network: The sandbox needs .*iptables.*: apt-get install .*iptables/);
  });

  test('an act that fails ends it, with a sentence', () => {
    const script = 'mount --bind /bin/false "$(command -v ping)" && exec "$0" sandbox';
    const ran = host.run(['unshare', '--mount', 'sh', '-c', script, PROGRAM]);
    expect(ran.status).toBe(1);
    expect(linesOf(ran)).toContain('  ✗ guest1 → guest2 192.0.2.12');
    expect(ran.stderr).toMatch(/^xen-network: guest1 cannot reach guest2 at 192\.0\.2\.12, though .*\n$/);
    expect(linesOf(ran).some((line) => LAST_LINE.test(line))).toBe(false);
  });

  test.each([
    { signal: 'INT', status: 130 },
    { signal: 'TERM', status: 130 },
    { signal: 'KILL', status: 137 },
  ])('SIG$signal ends it, and all that is inside', ({ signal, status }) => {
    const script = `
      out=$(mktemp -p /run)
      "$0" sandbox >$out & pid=$!
      until grep -q connected $out; do sleep 0.01; done
      kill -s ${signal} $pid; wait $pid; status=$?
      cat $out; rm $out
      while grep -qsx xen-network /proc/[0-9]*/comm; do sleep 0.01; done
      exit $status
    `;
    const ran = host.run(['sh', '-c', script, PROGRAM]);
    expect(ran.status).toBe(status);
    const said =
      signal === 'KILL' ? '' : 'xen-network: The sandbox was interrupted; nothing is left of it.\n';
    expect(ran.stderr.replace(/^Killed\n/m, '')).toBe(said);
    expect(ran.stdout).not.toContain('✗');
  });
});
