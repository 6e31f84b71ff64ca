import { afterEach, describe, expect, test } from 'vitest';
import { runFaulty } from '../../support/faults/faults.ts';
import { xlEnv } from '../../support/hosts/host.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';
import { plugCard } from '../../support/models/bridge-state.ts';

let vif: VifHost;

afterEach(() => vif.host.close());

async function prepared(): Promise<void> {
  vif = await VifHost.create();
  plugCard(vif.host);
  vif.host.ip('link add br9 type bridge', 'link set br9 up');
}

const masterOf = (device: string): string | undefined =>
  / master (\S+)/.exec(vif.host.ok('ip', '-o', 'link', 'show', 'dev', device))?.[1];
const isUp = (device: string): boolean =>
  /[<,]UP[,>]/.test(vif.host.ok('ip', '-o', 'link', 'show', 'dev', device));
const isThere = (device: string): boolean => vif.host.run(['ip', 'link', 'show', device]).status === 0;

/** Calls a hook and kills it at the first of its steps after which the host is in a state. */
function killedOnce(hook: string, args: readonly string[], isSo: () => boolean, env = {}): void {
  for (let at = 1; !isSo(); at++) {
    const struck = runFaulty(vif.host, { hook, mode: 'kill', at, args, env });
    expect({ at, isStruck: struck !== undefined }).toEqual({ at, isStruck: true });
    if (!isSo()) expect(recovered().status).toBe(0);
  }
}

const recovered = () => vif.host.hook('xen-network', ['recover']);

describe('a run that was killed, and what an administrator did before it was taken back', () => {
  const words = ['netdev=eth0', 'topology=plain'];

  test('stop: the card that is on another bridge by now stays there, and that is said', async () => {
    await prepared();
    expect(vif.host.hook('network-bridge', ['start', ...words, 'bridge=xenbr1'])).toMatchObject({
      status: 0,
    });
    killedOnce('network-bridge', ['stop', ...words, 'bridge=xenbr1'], () => masterOf('eth0') === undefined);
    vif.host.ip('link set eth0 master br9');
    const { status, stdout } = recovered();
    expect({ status, stdout }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('eth0 was left on br9, where somebody put it meanwhile.'),
    });
    expect(masterOf('eth0')).toBe('br9');
  });

  test('start: the card that is on another bridge by now stays there', async () => {
    await prepared();
    const isPort = () => isThere('xenbr1') && masterOf('eth0') === 'xenbr1';
    killedOnce('network-bridge', ['start', ...words, 'bridge=xenbr1'], isPort);
    vif.host.ip('link set eth0 master br9');
    expect(recovered().stdout).toContain('eth0 was left on br9, where somebody put it meanwhile.');
    expect(masterOf('eth0')).toBe('br9');
    expect(isThere('xenbr1')).toBe(false);
  });

  test('online: a guest that was taken off both bridges does not come back to its former one', async () => {
    await prepared();
    vif.card(1, { bridge: 'xenbr0' });
    vif.host.ip('link set vif1.0 master br9 up');
    const isPort = () => masterOf('vif1.0') === 'xenbr0';
    killedOnce('vif-bridge', ['online', 'type_if=vif'], isPort, xlEnv(1));
    vif.host.ip('link set vif1.0 nomaster');
    expect(recovered().stdout).toContain('vif1.0 was left without a bridge');
    expect(masterOf('vif1.0')).toBeUndefined();
  });
});

describe('a stop that was killed after the bridge had gone', () => {
  const words = ['bridge=vmnet1', 'bridgeip=10.1.1.1/24'];

  async function withDownGuest(): Promise<void> {
    await prepared();
    expect(vif.host.hook('network-virtual', ['start', ...words])).toMatchObject({ status: 0 });
    vif.card(1, { bridge: 'vmnet1' });
    expect(vif.host.hook('vif-bridge', ['online', 'type_if=vif'], xlEnv(1))).toMatchObject({ status: 0 });
    vif.host.ip('link set vif1.0 down');
    killedOnce('network-virtual', ['stop', ...words], () => !isThere('vmnet1'));
  }

  test('a port that was down comes back, down', async () => {
    await withDownGuest();
    expect(recovered().stdout).not.toContain('vif1.0 was not put back');
    expect([masterOf('vif1.0'), isUp('vif1.0')]).toEqual(['vmnet1', false]);
  });

  test('one that was down and detached meanwhile does not', async () => {
    await withDownGuest();
    expect(vif.host.hook('vif-bridge', ['offline', 'type_if=vif'], xlEnv(1))).toMatchObject({ status: 0 });
    expect(recovered().stdout).toContain(
      'vif1.0 was not put back on vmnet1, since vif1.0 was detached meanwhile.',
    );
    expect([masterOf('vif1.0'), isUp('vif1.0')]).toEqual([undefined, false]);
  });

  test.each([
    ['classic', 'xenbr1', ['vif0.0', 'xenbr1']],
    ['plain', 'xenbr1', ['xenbr1']],
  ])("%s: what was down of the card's bridge comes back down", async (topology, bridge, devices) => {
    await prepared();
    const args = ['netdev=eth0', `topology=${topology}`, `bridge=${bridge}`];
    expect(vif.host.hook('network-bridge', ['start', ...args])).toMatchObject({ status: 0 });
    vif.host.ip(...devices.map((device) => `link set ${device} down`));
    killedOnce('network-bridge', ['stop', ...args], () => !isThere(bridge));
    expect(recovered().status).toBe(0);
    expect(devices.map((device) => [device, isUp(device)])).toEqual(devices.map((device) => [device, false]));
  });
});
