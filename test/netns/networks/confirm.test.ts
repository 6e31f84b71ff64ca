import { spawn } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import type { Host } from '../../support/hosts/host.ts';
import { PLAIN_ENV } from '../../support/hosts/namespace.ts';
import { createPluggedHost, differences, look, lookFor, settled } from '../../support/models/bridge-state.ts';
import type { Snapshot } from '../../support/models/snapshot.ts';
import { sleep, waitUntil } from '../../support/wait.ts';

let host: Host;

afterEach(() => host.close());

async function plugged(): Promise<Snapshot> {
  host = await createPluggedHost();
  return settled(host);
}

function bridge(...words: string[]) {
  return host.hook('network-bridge', words);
}

function isBridged(): boolean {
  return host.run(['ip', 'link', 'show', 'dev', 'xenbr0']).status === 0;
}

/** Process ids of the clocks that run. */
function clocks(): string[] {
  return host.run(['pgrep', '-f', '^xen-network expire']).stdout.split('\n').filter(Boolean);
}

async function mustEndAs(before: Snapshot): Promise<void> {
  await waitUntil('the start to be undone', () => !isBridged());
  await waitUntil('the clock to stop', () => clocks().length === 0);
  expect(differences(before, await lookFor(host, before))).toEqual([]);
}

describe('check=', () => {
  test('an address that answers lets the start stand', async () => {
    await plugged();
    for (const address of ['192.0.2.1', '2001:db8::1']) {
      expect(bridge('start', `check=${address}`)).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(bridge('stop').status).toBe(0);
    }
  });

  test('an address that does not answer has all undone', async () => {
    const before = await plugged();
    const ran = bridge('start', 'check=192.0.2.99');
    expect(ran).toEqual({
      status: 1,
      stdout: '',
      stderr:
        'network-bridge: 192.0.2.99 did not answer a ping within 10 s after the start. ' +
        'Everything was put back as it was; mend the cause and try again.\n',
    });
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });
});

describe('confirm=', () => {
  test('the start is undone by itself, though the shell and the session of its caller are gone', async () => {
    const before = await plugged();
    const [file = '', ...enter] = host.enter;
    const call = '/etc/xen/scripts/network-bridge start confirm=2 >/dev/null 2>&1; sleep 60';
    const shell = spawn(file, [...enter, 'setsid', 'sh', '-c', call], {
      env: { ...PLAIN_ENV },
      stdio: 'ignore',
    });
    await waitUntil('the clock', () => clocks().length === 1);
    expect(isBridged()).toBe(true);
    const leader = host.ok('pgrep', '-o', '-f', '^sh -c /etc/xen/scripts/network-bridge').trim();
    // The shell's own: that of procps takes -1NN for -1.
    host.ok('sh', '-c', `kill -HUP -${leader}`);
    shell.kill('SIGKILL');
    await mustEndAs(before);
  });

  test('says what it waits for, and "xen-network confirm" in time lets it stand', async () => {
    await plugged();
    const ran = bridge('start', 'confirm=3');
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(ran.stdout).toContain('It is undone in 3 s unless you run "xen-network confirm".');
    expect(host.hook('xen-network', ['confirm']).stdout).toBe(
      'network-bridge.xenbr0 is confirmed and stays.\n',
    );
    await waitUntil('the clock to stop', () => clocks().length === 0);
    await sleep(3200);
    expect(isBridged()).toBe(true);
    expect(host.hook('xen-network', ['confirm']).stdout).toBe('Nothing waits for a confirmation.\n');
    expect(host.hook('xen-network', ['recover']).stdout).toContain('nothing to take back');
  });

  test('"xen-network recover", or the next call, does it when the clock was killed', async () => {
    const before = await plugged();
    for (const next of [
      ['xen-network', 'recover'],
      ['network-bridge', 'stop'],
    ] as const) {
      expect(bridge('start', 'confirm=1').status).toBe(0);
      for (const pid of clocks()) host.ok('kill', '-KILL', pid);
      expect(isBridged()).toBe(true);
      await sleep(1100);
      const [hook, ...words] = next;
      expect(host.hook(hook, words).status).toBe(0);
      await mustEndAs(before);
    }
  });

  test('a stop within the time leaves nothing to be undone', async () => {
    const before = await plugged();
    expect(bridge('start', 'confirm=2').status).toBe(0);
    expect(bridge('stop')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(bridge('start').status).toBe(0);
    const started = await settled(host);
    await sleep(2200);
    expect(differences(started, look(host))).toEqual([]);
    expect(bridge('stop').status).toBe(0);
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });

  test('two starts that wait are both undone', async () => {
    host = await createPluggedHost();
    host.nic('dummy0', { address: '172.31.0.1/24' });
    const before = await settled(host);
    expect(bridge('start', 'vifnum=0', 'confirm=2', 'antispoof=yes').status).toBe(0);
    expect(bridge('start', 'vifnum=1', 'netdev=dummy0', 'confirm=2', 'antispoof=yes').status).toBe(0);
    await mustEndAs(before);
  });
});
