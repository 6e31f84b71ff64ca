import { afterEach, expect, test } from 'vitest';
import type { Host } from '../../support/hosts/host.ts';
import { createPluggedHost, differences, lookFor, settled } from '../../support/models/bridge-state.ts';

// The form in which the book and many mailing lists have it.
const WRAPPER = `#!/bin/sh
dir=$(dirname "$0")
"$dir/network-bridge" "$@" vifnum=0
"$dir/network-bridge" "$@" vifnum=1 netdev=dummy0
`;
const PATH = '/etc/xen/scripts/my-network-script';

let host: Host;

afterEach(() => host.close());

test('a wrapper script that calls network-bridge twice makes two bridges, and takes both away', async () => {
  host = await createPluggedHost();
  host.nic('dummy0', { address: '172.31.0.1/24' });
  host.write(PATH, WRAPPER, '755');
  const before = await settled(host);
  const call = (word: string) => host.run([PATH, word], { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });
  expect(call('start')).toEqual({ status: 0, stdout: '', stderr: '' });
  const ports = host.ok('ip', '-br', 'link', 'show', 'type', 'bridge').match(/^\S+/gm);
  expect(ports).toEqual(['xenbr0', 'xenbr1']);
  for (const [port, bridge] of [
    ['peth0', 'xenbr0'],
    ['vif0.0', 'xenbr0'],
    ['pdummy0', 'xenbr1'],
    ['vif0.1', 'xenbr1'],
  ])
    expect(host.ok('ip', '-o', 'link', 'show', 'dev', `${port}`)).toContain(`master ${bridge} `);
  const started = await settled(host);
  expect(call('start').status).toBe(0);
  expect(differences(started, await lookFor(host, started))).toEqual([]);
  expect(call('status').stdout).toContain('xenbr1');
  expect(call('stop')).toEqual({ status: 0, stdout: '', stderr: '' });
  expect(differences(before, await lookFor(host, before))).toEqual([]);
});

test('two calls that only count their cards bridge eth0 and eth1, as with the scripts of Xen 3', async () => {
  host = await createPluggedHost();
  host.nic('eth1', { address: '172.31.0.1/24' });
  const before = await settled(host);
  const start = (...words: string[]) => host.hook('network-bridge', ['start', ...words]);
  expect(start('vifnum=1').stderr).toContain('vifnum=1 means eth1; the default route leads by eth0.');
  expect(host.ok('ip', '-o', 'link', 'show', 'dev', 'peth1')).toContain('master xenbr1 ');
  expect(start('vifnum=0').stderr).toBe('');
  expect(host.ok('ip', '-o', 'link', 'show', 'dev', 'peth0')).toContain('master xenbr0 ');
  for (const words of [['vifnum=1'], ['vifnum=0']])
    expect(host.hook('network-bridge', ['stop', ...words]).status).toBe(0);
  expect(differences(before, await lookFor(host, before))).toEqual([]);
});

test('at a terminal start and stop say what they did, and nothing where nobody looks', async () => {
  host = await createPluggedHost();
  const atTerminal = (word: string) =>
    host.run(['script', '-qec', `/etc/xen/scripts/network-bridge ${word}`, '/dev/null']).stdout;
  expect(atTerminal('start')).toMatch(
    /^eth0 is on the bridge xenbr0\. xenbr0 has (peth0 and vif0\.0|vif0\.0 and peth0); eth0 has \S+\/24.*\.\r\n$/,
  );
  expect(atTerminal('start')).toBe('eth0 is on the bridge xenbr0 already.\r\n');
  expect(atTerminal('stop')).toMatch(/^eth0 is off the bridge xenbr0\. eth0 has \S+\/24.*\.\r\n$/);
  expect(atTerminal('stop')).toContain('nothing to stop.\r\n');
  expect(host.hook('network-bridge', ['stop'])).toEqual({ status: 0, stdout: '', stderr: '' });
});
