import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Host } from '../../support/hosts/host.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

const PORT_MAC = 'fe:ff:ff:ff:ff:ff';
const BACKEND = '/local/domain/0/backend/vif';

let vif: VifHost;
let host: Host;

beforeAll(async () => {
  vif = await VifHost.create();
  host = vif.host;
});

afterAll(() => host.close());

beforeEach(() => vif.reset());

function unrestricted(name: string): string[] {
  return [
    '-P FORWARD ACCEPT',
    `-A FORWARD -m physdev --physdev-in ${name} --physdev-is-bridged -j ACCEPT`,
    `-A FORWARD -m physdev --physdev-out ${name} --physdev-is-bridged -j ACCEPT`,
  ];
}

describe('a vifname', () => {
  test('names the device', () => {
    vif.card(1, { vifname: 'web' });
    expect(vif.online(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(vif.link('vif1.0')).toBeUndefined();
    expect(vif.link('web')).toBe(`web veth ${PORT_MAC} mtu 1500 UP master xenbr0 alias "xen-network vif1.0"`);
    expect(vif.forward()).toEqual(unrestricted('web'));
    expect(vif.store.told(1)).toEqual({ status: 'connected', error: undefined, mtu: '1500' });
    expect(vif.offline(1).status).toBe(0);
    expect(vif.forward()).toEqual(['-P FORWARD ACCEPT']);
  });

  test('over 15 characters is cut with a warning, and stays as an altname', () => {
    vif.card(1, { vifname: 'webserver-number-one' });
    expect(vif.online(1)).toEqual({
      status: 0,
      stdout: '',
      stderr:
        'vif-bridge: vif1.0: the vifname webserver-number-one is longer than the kernel allows, so the device is ' +
        'called webserver-numbe and webserver-number-one is kept as its altname.\n',
    });
    expect(host.ok('ip', '-br', 'link', 'show', 'dev', 'webserver-number-one')).toContain('webserver-numbe');
    expect(vif.forward()).toEqual(unrestricted('webserver-numbe'));
    expect(vif.online(1).status).toBe(0);
    expect(vif.offline(1).status).toBe(0);
    expect(vif.forward()).toEqual(['-P FORWARD ACCEPT']);
  });

  test.each([
    ['the same', 'web', 'web'],
    ['another that is cut to the same', 'webserver-number-one', 'webserver-number-two'],
  ])('%s name for two guests is refused, and the first guest keeps running', async (_what, first, second) => {
    vif.card(1, { vifname: first, ip: '192.0.2.7' });
    vif.card(2, { vifname: second, ip: '192.0.2.8' });
    expect(vif.online(1).status).toBe(0);
    const before = await host.settled();
    const { status, stderr } = vif.online(2);
    const name = first.slice(0, 15);
    const sentence =
      `vif2.0 cannot take the name ${name}: another device has it already and is left alone. ` +
      `Give this guest another vifname, or shut down the guest that uses ${name}.`;
    expect({ status, stderr }).toEqual({ status: 1, stderr: `vif-bridge: ${sentence}\n` });
    expect(vif.store.told(2)).toEqual({
      status: 'error',
      error: `vif-bridge online: ${sentence}`,
      mtu: undefined,
    });
    expect(await host.snapshotLike(before)).toEqual(before);
    // xl answers a failed online with an offline, which must not touch the other guest either.
    expect(vif.offline(2).status).toBe(0);
    expect(await host.snapshotLike(before)).toEqual(before);
  });

  test('that is no name is refused before anything is touched', async () => {
    vif.card(1, { vifname: 'web server' });
    const before = await host.settled();
    expect(vif.online(1).status).toBe(1);
    expect(vif.store.told(1).error).toMatch(
      /^vif-bridge online vif1\.0: vifname is "web server", which is no usable device name\./,
    );
    expect(await host.snapshotLike(before)).toEqual(before);
  });

  test('that turns bad meanwhile does not keep offline from cleaning', () => {
    vif.card(1, { vifname: 'web', ip: '192.0.2.7' });
    expect(vif.online(1).status).toBe(0);
    vif.store.write({ [`${BACKEND}/1/0/vifname`]: 'web server' });
    expect(vif.offline(1).status).toBe(0);
    expect(vif.forward()).toEqual(['-P FORWARD ACCEPT']);
    expect(vif.link('web')).not.toContain('master');
  });
});
