import { afterEach, expect, test } from 'vitest';
import { createPluggedHost, differences, lookFor, settled } from '../support/bridge-state.ts';
import type { Host } from '../support/host.ts';

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
