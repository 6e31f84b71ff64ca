import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { xlEnv } from '../../support/hosts/host.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

let vif: VifHost;

beforeEach(async () => {
  vif = await VifHost.create();
});

afterEach(() => vif.host.close());

describe('the bridge', () => {
  test("is xenstore's, then the argument's, then the environment's", () => {
    vif.host.ip('link add br8 type bridge', 'link add br9 type bridge');
    const online = (stored: string, argument: string) => {
      vif.unplug(1);
      vif.host.vif(1);
      vif.store.vif(1, 0, { bridge: stored });
      expect(
        vif.host.hook('vif-bridge', ['online', `bridge=${argument}`], xlEnv(1, 0, { bridge: 'xenbr0' }))
          .status,
      ).toBe(0);
      return vif.host
        .snapshot()
        ['links']?.find((line) => line.startsWith('vif1.0 '))
        ?.replace(/.*master /, '');
    };
    expect(online('br9', 'br8')).toBe('br9');
    expect(online('', 'br8')).toBe('br8');
    expect(online('', '')).toBe('xenbr0');
  });

  test('is the first of the host where none is named', () => {
    vif.host.ip('link add aaa0 type veth peer name aaa1', 'link add br9 type bridge');
    vif.host.vif(1);
    vif.store.vif(1, 0);
    expect(vif.online(1).status).toBe(0);
    expect(vif.host.snapshot()['links']?.find((line) => line.startsWith('vif1.0 '))).toContain('master br9');
  });

  test('xenbr0 means eth0 where that is the bridge, and only then', () => {
    vif.host.ip('link set xenbr0 down', 'link set xenbr0 name eth0', 'link set eth0 up');
    vif.host.vif(1);
    vif.store.vif(1, 0, { bridge: 'xenbr0' });
    expect(vif.online(1).status).toBe(0);
    expect(vif.host.snapshot()['links']?.find((line) => line.startsWith('vif1.0 '))).toContain('master eth0');
    expect(vif.offline(1).status).toBe(0);

    vif.host.ip('link add xenbr0 type bridge');
    expect(vif.online(1).status).toBe(0);
    expect(vif.host.snapshot()['links']?.find((line) => line.startsWith('vif1.0 '))).toContain(
      'master xenbr0',
    );
  });

  test('that is missing: the error names those there are', () => {
    vif.host.ip('link add br9 type bridge');
    vif.host.vif(1);
    vif.store.vif(1, 0, { bridge: 'nosuch' });
    const sentence =
      'The bridge nosuch does not exist. The bridges of this host are br9, xenbr0. ' +
      "Make it (network-bridge start bridge=nosuch) or correct the guest's bridge=.";
    expect(vif.online(1)).toEqual({ status: 1, stdout: '', stderr: `vif-bridge: ${sentence}\n` });
    expect(vif.store.told(1)).toEqual({
      status: 'error',
      error: `vif-bridge online vif1.0: ${sentence}`,
      mtu: undefined,
    });
  });

  test('that is another kind of device is no bridge', () => {
    vif.host.vif(1);
    vif.host.vif(2);
    vif.store.vif(1, 0, { bridge: 'vif2.0' });
    expect(vif.online(1).stderr).toContain('The bridge vif2.0 is a device but no bridge.');
  });

  test("that is the card's name of old: the error names the bridge and the other topology", () => {
    vif.host.ip('link add eth0 type veth peer name vif0.0');
    vif.host.ip('link add peth0 type veth peer name wire0', 'link set peth0 master xenbr0');
    vif.host.vif(1);
    vif.store.vif(1, 0, { bridge: 'eth0' });
    expect(vif.online(1).stderr).toContain(
      'The device eth0 is no bridge: its card is on the bridge xenbr0. Say bridge=xenbr0',
    );
    expect(vif.store.told(1).error).toContain('topology=rename, where eth0 is the bridge');
  });

  test('that no host has, with none named', () => {
    vif.host.ip('link del xenbr0');
    vif.host.vif(1);
    vif.store.vif(1, 0);
    expect(vif.online(1).stderr).toBe(
      'vif-bridge: This host has no bridge and the guest names none. Run "network-bridge start" or make one, then start the guest again.\n',
    );
  });
});
