import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Host, xlEnv } from '../../support/hosts/host.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

const BACKEND = '/local/domain/0/backend/vif';

let vif: VifHost;
let host: Host;

beforeAll(async () => {
  vif = await VifHost.create();
  host = vif.host;
});

afterAll(() => host.close());

beforeEach(() => vif.reset());

describe('calls that do nothing', () => {
  test.each([
    ['online', 'tap'],
    ['offline', 'tap'],
    ['add', 'vif'],
    ['remove', 'vif'],
  ])('%s for a %s', async (command, type) => {
    vif.card(1);
    const before = await host.settled();
    const ran = host.hook(
      'vif-bridge',
      [command, `type_if=${type}`],
      xlEnv(1, 0, { INTERFACE: 'vif1.0-emu' }),
    );
    expect(ran).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await host.snapshotLike(before)).toEqual(before);
    expect(vif.store.told(1)).toEqual({ status: undefined, error: undefined, mtu: undefined });
  });

  test('udev, where libxl runs the hooks itself', async () => {
    vif.card(1);
    vif.store.write({ 'libxl/disable_udev': '1' });
    const before = await host.settled();
    expect(vif.online(1, { UDEV_CALL: '1' })).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await host.snapshotLike(before)).toEqual(before);
    expect(vif.store.told(1).status).toBeUndefined();
    // libxl's own call counts all the same.
    expect(vif.online(1).status).toBe(0);
    expect(vif.store.told(1).status).toBe('connected');
    vif.store.remove('libxl');
  });

  test('udev, where nobody else runs them, is obeyed', () => {
    vif.card(1);
    expect(vif.online(1, { UDEV_CALL: '1', XENBUS_PATH: `${BACKEND}/1/0` }).status).toBe(0);
    expect(vif.store.told(1).status).toBe('connected');
  });

  test('an unknown command names the valid ones', () => {
    const ran = host.hook('vif-bridge', ['up'], xlEnv(1));
    expect(ran).toEqual({
      status: 1,
      stdout: '',
      stderr: 'vif-bridge: "up" is no command of this hook; say one of online, offline, add and remove.\n',
    });
  });
});

describe('what goes wrong is told', () => {
  test.each([
    ['a device name that is none', ['online'], { vif: 'vif 1.0' }, /vif is "vif 1\.0"/],
    ['no device name', ['online'], { vif: '' }, /vif is not set/],
    ['an unknown type', ['online', 'type_if=eth'], {}, /type_if is "eth"/],
  ])('%s in the call itself', (_what, args, more, sentence) => {
    vif.card(1);
    const ran = host.hook('vif-bridge', args, xlEnv(1, 0, more));
    expect(ran.status).toBe(1);
    expect(vif.store.told(1).status).toBe('error');
    expect(vif.store.told(1).error).toMatch(sentence);
  });

  test('an offline of a device that cannot be named ends well', () => {
    const ran = host.hook('vif-bridge', ['offline'], xlEnv(1, 0, { vif: 'vif 1.0' }));
    expect(ran.status).toBe(0);
    expect(ran.stderr).toMatch(/vif is "vif 1\.0"/);
  });

  test('a device that never comes', () => {
    vif.store.vif(1, 0, {});
    expect(vif.online(1).status).toBe(1);
    expect(vif.store.told(1)).toMatchObject({
      status: 'error',
      error: expect.stringMatching(
        /^vif-bridge online vif1\.0: There is no device vif1\.0 after 3 s\. Look in dmesg /,
      ),
    });
  });

  test('a device that comes late is waited for', async () => {
    vif.store.vif(1, 0, {});
    const online = host.startHook('vif-bridge', ['online'], xlEnv(1));
    host.ok('sleep', '0.3');
    host.vif(1);
    expect((await online).status).toBe(0);
    expect(vif.store.told(1).status).toBe('connected');
  });

  test('an address that is none', () => {
    vif.card(1, { ip: '192.0.2.7 $(reboot)' });
    expect(vif.online(1).status).toBe(1);
    expect(vif.store.told(1).error).toBe(
      'vif-bridge online vif1.0: ip holds "$(reboot)", which is no address. Give IPv4 or IPv6 addresses, or CIDR ' +
        'ranges, with blanks between.',
    );
  });

  test('also in the log that xl names', () => {
    vif.card(1, { ip: 'nonsense' });
    expect(vif.online(1).status).toBe(1);
    expect(host.ok('tail', '-n', '1', '/var/log/xen/xen-hotplug.log')).toMatch(
      /^vif-bridge: ip holds "nonsense", which is no address\./,
    );
  });
});

describe('a dry run', () => {
  test.each([
    ['a vif with rules', { ip: '192.0.2.1 2001:db8::1' }],
    ['a vif that is renamed', { vifname: 'webserver-number-one', mtu: '1400' }],
  ])('of %s changes nothing, and run by a shell does the same', async (_what, values) => {
    vif.card(1, values);
    const before = await host.settled();
    const shown = host.hook('vif-bridge', ['online', '--dry-run'], xlEnv(1));
    expect(shown).toMatchObject({ status: 0, stderr: '' });
    expect(host.hook('vif-bridge', ['online'], xlEnv(1, 0, { XEN_NETWORK_DRY_RUN: '1' }))).toEqual(shown);
    expect(await host.snapshotLike(before)).toEqual(before);
    expect(vif.store.told(1).status).toBeUndefined();

    expect(vif.online(1).status).toBe(0);
    const online = await host.settled();
    const shownOff = host.hook('vif-bridge', ['offline', '--dry-run'], xlEnv(1));
    expect(await host.snapshotLike(online)).toEqual(online);
    expect(vif.offline(1).status).toBe(0);
    const offline = await host.settled();

    vif.unplug(1);
    host.vif(1);
    const byHand = (text: string) => host.run(['sh', '-eu'], { input: text });
    expect(byHand(shown.stdout)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await host.snapshotLike(online)).toEqual(online);
    expect(byHand(shownOff.stdout)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await host.snapshotLike(offline)).toEqual(offline);
  });

  test('says what would go wrong', () => {
    vif.card(1, { bridge: 'nosuch' });
    const ran = host.hook('vif-bridge', ['online', '--dry-run'], xlEnv(1));
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('The bridge nosuch does not exist.');
    expect(vif.store.told(1).status).toBeUndefined();
  });
});
