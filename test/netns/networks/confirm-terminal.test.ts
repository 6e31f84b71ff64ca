import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PLAIN_ENV, type Ran } from '../../support/hosts/namespace.ts';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

const WAITING = 'ls /run/xen-network/pending/*.deadline >/dev/null 2>&1';
/** What a person sees before the start is through is not typed yet. */
const onceWaiting = (act: string) => `until ${WAITING}; do sleep 0.1; done; ${act}`;
const whileWaiting = `while ${WAITING}; do sleep 0.1; done`;

/** Runs a hook at a terminal, at which somebody types what a shell command prints. */
function atTerminal(types: string, ...words: string[]): Ran {
  const call = ['/etc/xen/scripts/network-bridge', ...words].join(' ');
  const script = `(${types}) | script --quiet --return --command 'exec ${call}' /dev/null`;
  return net.host.run(['sh', '-c', script], { env: { ...PLAIN_ENV, TERM: 'xterm' } });
}

const isBridged = () => net.host.run(['ip', 'link', 'show', 'peth0']).status === 0;

describe('a start with confirm= at a terminal', () => {
  test('counts down, and stays once Enter is typed', () => {
    const ran = atTerminal(onceWaiting(`printf '\\r'; ${whileWaiting}`), 'start', 'confirm=600');
    expect(ran.stdout).toMatch(/\d+ s left\. Enter confirms, Ctrl-C undoes it now\./);
    expect(ran.stdout).toContain('network-bridge.xenbr0 is confirmed and stays.');
    expect(ran.status).toBe(0);
    expect(isBridged()).toBe(true);
    expect(net.host.run(['sh', '-c', WAITING]).status).not.toBe(0);
  });

  test('is undone at once by Ctrl-C', async () => {
    const before = await net.host.settled();
    const ran = atTerminal(onceWaiting(`printf '\\003'; ${whileWaiting}`), 'start', 'confirm=600');
    expect(ran.stdout).toContain('network-bridge.xenbr0 was undone.');
    expect(ran.status).toBe(1);
    expect(isBridged()).toBe(false);
    expect(await net.host.snapshotLike(before)).toEqual(before);
  });

  test('ends when somebody else confirms it', () => {
    const ran = atTerminal(
      onceWaiting(`/etc/xen/scripts/xen-network confirm >/dev/null; ${whileWaiting}; sleep 2`),
      'start',
      'confirm=600',
    );
    expect(ran.stdout).toContain(
      'network-bridge.xenbr0 does not wait any more: it was confirmed or stopped elsewhere.',
    );
    expect(ran.status).toBe(0);
    expect(isBridged()).toBe(true);
  });

  test('is undone when its time is over', () => {
    const ran = atTerminal(onceWaiting(whileWaiting), 'start', 'confirm=2');
    expect(ran.stdout).toContain('network-bridge.xenbr0 was undone.');
    expect(ran.status).toBe(1);
    expect(isBridged()).toBe(false);
  });

  test('waits on where the terminal goes away', () => {
    const ran = atTerminal(onceWaiting(':'), 'start', 'confirm=600');
    expect(ran.status).toBe(0);
    expect(isBridged()).toBe(true);
    const said = /network-bridge\.xenbr0 is undone in \d+ s unless you run "xen-network confirm"\.$/m;
    for (const hook of ['xen-network', 'network-bridge'])
      expect(net.host.hook(hook, ['status']).stdout).toMatch(said);
    const found = JSON.parse(net.host.hook('network-bridge', ['status', '--json']).stdout);
    expect(found.pending).toEqual([{ id: 'network-bridge.xenbr0', remainingMs: expect.any(Number) }]);
    expect(net.host.hook('xen-network', ['confirm']).status).toBe(0);
    expect(net.host.hook('xen-network', ['status']).stdout).not.toContain('is undone in');
  });
});

test('without a terminal a start with confirm= returns at once', () => {
  const ran = net.host.hook('network-bridge', ['start', 'confirm=600']);
  expect(ran.status).toBe(0);
  expect(ran.stdout).toMatch(/It is undone in 600 s unless you run "xen-network confirm"\.\n$/);
  expect(net.host.hook('xen-network', ['confirm']).status).toBe(0);
});
