import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Host } from '../../support/hosts/host.ts';
import { waitUntil } from '../../support/wait.ts';

let host: Host;

beforeEach(async () => {
  host = await Host.create();
});

afterEach(() => host.close());

function ok(name: string, ...words: string[]): void {
  const ran = host.hook(name, words);
  expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status: 0, stderr: '' });
}

/** stp_state and forward_delay of a bridge. */
function spanning(bridge: string): string[] {
  const read = (file: string) => host.ok('cat', `/sys/class/net/${bridge}/bridge/${file}`).trim();
  return [read('stp_state'), read('forward_delay')];
}

/** What the kernel makes of a port: 1 listening, 2 learning, 3 forwarding, 4 blocking. */
function portState(port: string): string {
  return host.ok('cat', `/sys/class/net/${port}/brport/state`).trim();
}

describe('network-bridge', () => {
  const ADDRESS = { address: '192.0.2.2/24', gateway: '192.0.2.1' };

  test.each(['classic', 'rename', 'plain'] as const)(
    'stp=yes, %s: the host stays on the network',
    async (topology) => {
      host.nic('eth0', ADDRESS);
      const before = await host.settled();
      const words = ['netdev=eth0', `topology=${topology}`, 'bridge=br9', 'stp=yes'];
      ok('network-bridge', 'start', ...words);
      expect(spanning('br9')).toEqual(['1', '400']);
      // A port that listened would be in state 1, and the host off the network for eight seconds.
      const ports = { classic: ['peth0', 'vif0.0'], rename: ['peth0'], plain: ['eth0'] }[topology];
      expect(ports.map(portState)).toEqual(ports.map(() => '3'));
      expect(host.reaches('192.0.2.1')).toBe(true);
      ok('network-bridge', 'start', ...words);
      ok('network-bridge', 'stop', ...words);
      expect(await host.settled()).toEqual(before);
    },
  );

  test('a guest that joins later listens first', async () => {
    host.nic('eth0', ADDRESS);
    ok('network-bridge', 'start', 'netdev=eth0', 'stp=yes', 'forward_delay=2');
    const store = await host.xenstore();
    host.vif(1);
    store.vif(1, 0, { bridge: 'xenbr0' });
    host.ok('ip', 'netns', 'exec', 'guest1', 'ip', 'link', 'set', 'eth0', 'up');
    const ran = host.hook('vif-bridge', ['online'], {
      vif: 'vif1.0',
      XENBUS_PATH: 'backend/vif/1/0',
    });
    expect(ran.status).toBe(0);
    expect(portState('vif1.0')).not.toBe('3');
    await waitUntil('vif1.0 to forward', () => portState('vif1.0') === '3');
  });

  test('two bridges on one wire twice over are no loop', async () => {
    host.nic('eth0', ADDRESS);
    ok(
      'network-bridge',
      'start',
      'netdev=eth0',
      'topology=plain',
      'bridge=br9',
      'stp=yes',
      'forward_delay=2',
    );
    host.ip(
      'link add other type bridge stp_state 1 forward_delay 200',
      'link set other up',
      'link add one type veth peer name one-other',
      'link add two type veth peer name two-other',
      ...['one', 'two'].flatMap((name) => [
        `link set ${name} master br9`,
        `link set ${name}-other master other`,
        `link set ${name} up`,
        `link set ${name}-other up`,
      ]),
    );
    const states = () => ['one', 'two', 'one-other', 'two-other'].map(portState).sort();
    await waitUntil('one port to block', () => states().join() === '3,3,3,4');
    expect(host.reaches('192.0.2.1')).toBe(true);
  });

  test("an administrator's bridge has its own settings again", async () => {
    host.nic('eth0', ADDRESS);
    host.ip('link add br9 type bridge stp_state 0 forward_delay 1500', 'link set br9 up');
    const before = await host.settled();
    const words = ['netdev=eth0', 'topology=plain', 'bridge=br9', 'stp=yes'];
    ok('network-bridge', 'start', ...words);
    expect(spanning('br9')).toEqual(['1', '400']);
    ok('network-bridge', 'stop', ...words);
    expect(spanning('br9')).toEqual(['0', '1500']);
    expect(await host.settled()).toEqual(before);
  });
});

describe('network-virtual', () => {
  test('a bridge that it makes takes part', async () => {
    const before = await host.settled();
    ok('network-virtual', 'start', 'bridge=br9', 'bridgeip=10.1.1.1/24', 'stp=yes', 'forward_delay=10');
    expect(spanning('br9')).toEqual(['1', '1000']);
    ok('network-virtual', 'start', 'bridge=br9', 'bridgeip=10.1.1.1/24', 'stp=yes', 'forward_delay=3');
    expect(spanning('br9')).toEqual(['1', '300']);
    ok('network-virtual', 'stop', 'bridge=br9');
    expect(await host.settled()).toEqual(before);
  });

  test('one that was there keeps what it has, with a warning', () => {
    host.ip('link add br9 type bridge stp_state 0 forward_delay 1500', 'link set br9 up');
    const ran = host.hook('network-virtual', ['start', 'bridge=br9', 'bridgeip=10.1.1.1/24', 'stp=yes']);
    expect(ran.status).toBe(0);
    expect(ran.stderr).toMatch(/br9 was there before, and keeps its part in the spanning tree/);
    expect(spanning('br9')).toEqual(['0', '1500']);
  });
});
