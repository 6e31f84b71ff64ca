import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Host } from '../../support/hosts/host.ts';
import { PLAIN_ENV } from '../../support/hosts/namespace.ts';
import { createPluggedHost, differences, lookFor, settled } from '../../support/models/bridge-state.ts';
import type { Snapshot } from '../../support/models/snapshot.ts';

// Stands before the real ip: sends a signal to the hook at a line of what it is fed, and goes on with the rest, slowly.
// For KILL the hook is gone by then, and the rest is what an orphan does.
const SLOW_IP = `#!/bin/sh
case "$*" in *-batch*) ;; *) exec /sbin/ip "$@" ;; esac
parent=$PPID
while IFS= read -r line; do
  case $line in
    *' show'*) ;;
    *)
      count=$(cat /run/count)
      echo $((count + 1)) > /run/count
      if [ "$count" = "$(cat /run/strike)" ]; then
        kill "-$(cat /run/signal)" "$(cat /run/target 2>/dev/null || echo $parent)"
        [ "$(cat /run/signal)" != KILL ] || sleep 0.4
      fi
      sleep 0.002 ;;
  esac
  printf '%s\\n' "$line"
done | exec /sbin/ip "$@"
`;

/** The program without Bun, which has every change made by ip. */
const BY_IP = join(import.meta.dirname, '../../../dist/xen-network-pkg');
/** Lines at which something is to happen; with Bun few lines are ip's. */
const BUILDS = [
  ['Bun', [2, 8]],
  ['Node', [2, 12, 25]],
] as const;

let host: Host;

afterEach(() => host.close());

async function plugged(build: 'Bun' | 'Node'): Promise<Snapshot> {
  host = await createPluggedHost();
  if (build === 'Node') {
    if (!existsSync(BY_IP)) throw new Error(`${BY_IP} is not there; run "npm run build:pkg" first.`);
    for (const name of ['network-bridge', 'xen-network'])
      host.ok('ln', '-sf', BY_IP, `/etc/xen/scripts/${name}`);
  }
  host.ok('mount', '-t', 'tmpfs', 'tmpfs', '/usr/local/sbin');
  host.write('/usr/local/sbin/ip', SLOW_IP, '755');
  return settled(host);
}

/** Starts network-bridge in a session of its own; resolves to its exit status or the signal that ended it. */
function call(strike: number, signal: string, words: readonly string[]): Promise<number | string | null> {
  host.write('/run/strike', `${strike}`);
  host.write('/run/signal', signal);
  host.write('/run/count', '0');
  const [file = '', ...enter] = host.enter;
  const child = spawn(file, [...enter, '/etc/xen/scripts/network-bridge', ...words], {
    env: { ...PLAIN_ENV },
    stdio: 'ignore',
  });
  return new Promise((resolve) => child.once('close', (status, ended) => resolve(status ?? ended)));
}

function count(): number {
  return Number(host.ok('cat', '/run/count'));
}

test.each([
  ['start', 'topology=rename'],
  ['stop', 'topology=classic'],
])('%s %s killed at every fifth line of an ip that goes on: recover waits for it', async (word, topology) => {
  let expected = await plugged('Node');
  if (word === 'stop') {
    expect(host.hook('network-bridge', ['start', topology]).status).toBe(0);
    expected = await settled(host);
  }
  let strikes = 0;
  for (; ; strikes += 5) {
    await call(strikes, 'KILL', [word, topology]);
    if (count() <= strikes) break;
    const recovered = await host.startHook('xen-network', ['recover']);
    expect({ strikes, ...recovered }).toMatchObject({ strikes, status: 0, stderr: '' });
    expect(recovered.stdout).toContain('was found and taken back');
    expect({ strikes, wrong: differences(expected, await lookFor(host, expected)) }).toEqual({
      strikes,
      wrong: [],
    });
  }
  expect(strikes).toBeGreaterThan(10);
});

describe.each(BUILDS)('built for %s', (build, strikes) => {
  test.each(['TERM', 'INT'])('SIG%s in the middle: all is undone', async (signal) => {
    const before = await plugged(build);
    for (const strike of strikes) {
      expect(await call(strike, signal, ['start'])).toBe(1);
      expect(count()).toBeGreaterThan(strike);
      expect(differences(before, await lookFor(host, before))).toEqual([]);
    }
  });

  test('SIGHUP in the middle: the start goes on', async () => {
    await plugged(build);
    for (const strike of strikes) {
      expect(await call(strike, 'HUP', ['start'])).toBe(0);
      expect(count()).toBeGreaterThan(strike);
      expect(host.ok('ip', '-o', 'link', 'show', 'dev', 'peth0')).toContain('master xenbr0');
      expect(host.hook('network-bridge', ['stop']).status).toBe(0);
    }
  });
});

test('a terminal that goes away takes neither the hook nor what it runs with it', async () => {
  await plugged('Bun');
  host.write('/run/strike', '8');
  host.write('/run/signal', 'HUP');
  host.write('/run/count', '0');
  // The leader of the terminal's session gets the hangup, and with it all that runs in the foreground.
  const inner =
    'echo $$ > /run/target; /etc/xen/scripts/network-bridge start check=192.0.2.1; echo $? > /run/status';
  host.write('/run/inner', inner);
  host.run(['script', '-qec', 'sh /run/inner', '/dev/null']);
  const expected = 'peth0';
  for (
    let waited = 0;
    waited < 100 && host.run(['test', '-e', '/run/xen-network/bridge/xenbr0']).status !== 0;
    waited++
  )
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(host.ok('ip', '-o', 'link', 'show', 'dev', expected)).toContain('master xenbr0');
  expect(host.hook('xen-network', ['recover']).stdout).toContain('nothing to take back');
});
