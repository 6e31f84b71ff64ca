import { describe, expect, test } from 'vitest';
import { RequestError } from '../../../lib/errors.ts';
import { parseVifCall, parseVifSettings } from '../../../lib/request/vif.ts';

const XL = { vif: 'vif7.1', XENBUS_PATH: 'backend/vif/7/1' };
const TAP = { ...XL, type_if: 'tap', INTERFACE: 'vif7.1-emu' };

describe('a call', () => {
  test('of xl, for a vif', () => {
    expect(parseVifCall('online', XL)).toEqual({
      command: 'online',
      type: 'vif',
      acts: true,
      device: 'vif7.1',
      path: 'backend/vif/7/1',
      domid: 7,
      devid: 1,
      hasTap: false,
    });
  });

  test('of xl, for an emulated card: the path comes from the name', () => {
    expect(parseVifCall('add', TAP)).toEqual({
      command: 'add',
      type: 'tap',
      acts: true,
      device: 'vif7.1-emu',
      path: 'backend/vif/7/1',
      domid: 7,
      devid: 1,
      hasTap: true,
    });
  });

  test('of udev, with an absolute path', () => {
    const { path, domid, devid } = parseVifCall('online', {
      vif: 'vif7.1',
      XENBUS_PATH: '/local/domain/3/backend/vif/12/4',
    });
    expect({ path, domid, devid }).toEqual({ path: '/local/domain/3/backend/vif/12/4', domid: 12, devid: 4 });
  });

  test('with no path: the place is that of the name', () => {
    expect(parseVifCall('offline', { vif: 'vif7.1' }).path).toBe('backend/vif/7/1');
  });

  test('a vif that has an emulated twin', () => {
    expect(parseVifCall('online', { ...XL, INTERFACE: 'vif7.1-emu' }).hasTap).toBe(true);
  });

  test.each([
    ['online', 'tap'],
    ['offline', 'tap'],
    ['add', 'vif'],
    ['remove', 'vif'],
  ])('%s for a %s is not acted on, even with nothing else set', (command, type_if) => {
    expect(parseVifCall(command, { type_if }).acts).toBe(false);
  });

  test.each([
    ['no device', 'online', {}, 'vif is not set'],
    ['no tap', 'add', { type_if: 'tap', vif: 'vif7.1' }, 'INTERFACE is not set'],
    [
      'an unknown command',
      'up',
      XL,
      '"up" is no command of this hook; say one of online, offline, add and remove.',
    ],
    ['an unknown type', 'online', { ...XL, type_if: 'tun' }, 'type_if is "tun"; say vif or tap.'],
    ['a name no device can have', 'online', { ...XL, vif: 'vif7.1;id' }, 'vif is "vif7.1;id"'],
    [
      'a path elsewhere',
      'online',
      { ...XL, XENBUS_PATH: 'backend/vbd/7/1' },
      'XENBUS_PATH is "backend/vbd/7/1"',
    ],
    [
      'a path with more behind it',
      'online',
      { ...XL, XENBUS_PATH: 'backend/vif/7/1/../../../x' },
      'XENBUS_PATH is',
    ],
    ['a path with a newline', 'online', { ...XL, XENBUS_PATH: 'backend/vif/7/1\n' }, 'XENBUS_PATH is'],
    [
      'a tap of another name',
      'add',
      { type_if: 'tap', INTERFACE: 'tap0' },
      'The device tap0 is not named vifDOMID.DEVID',
    ],
  ])('%s is refused', (_what, command, values, message) => {
    expect(() => parseVifCall(command, values)).toThrow(RequestError);
    expect(() => parseVifCall(command, values)).toThrow(message);
  });
});

test('a tap that is called by its vifname is known by its place in xenstore', () => {
  const call = parseVifCall('remove', { ...TAP, INTERFACE: 'http-emu' });
  expect(call).toMatchObject({ type: 'tap', device: 'vif7.1-emu', domid: 7, devid: 1, hasTap: true });
  expect(() => parseVifCall('remove', { type_if: 'tap', INTERFACE: 'http-emu' })).toThrow(RequestError);
});

describe('settings', () => {
  const vif = parseVifCall('online', XL);
  const tap = parseVifCall('add', TAP);

  test('nothing set', () => {
    expect(parseVifSettings(vif, {}, {})).toMatchObject({
      bridge: undefined,
      addresses: [],
      rename: undefined,
      mtu: undefined,
      filter: true,
    });
  });

  test('xenstore wins over what was given, empty values count for nothing', () => {
    const { bridge, mtu, filter } = parseVifSettings(
      vif,
      { bridge: 'br0', mtu: '1400', filter: 'no' },
      { bridge: 'br1', mtu: '', ip: undefined },
    );
    expect({ bridge, mtu, filter }).toEqual({ bridge: 'br1', mtu: 1400, filter: false });
  });

  test('a vifname names the vif, and the tap with -emu', () => {
    expect(parseVifSettings(vif, {}, { vifname: 'web' }).rename).toEqual({ name: 'web' });
    expect(parseVifSettings(tap, {}, { vifname: 'web' }).rename).toEqual({ name: 'web-emu' });
  });

  test('a vifname over 11 characters is cut alike for a vif and its tap', () => {
    const twin = parseVifCall('online', { ...XL, INTERFACE: 'vif7.1-emu' });
    expect(parseVifSettings(twin, {}, { vifname: 'webserver-one' }).rename).toEqual({
      name: 'webserver-o',
      altname: 'webserver-one',
    });
    expect(parseVifSettings(tap, {}, { vifname: 'webserver-one' }).rename).toEqual({
      name: 'webserver-o-emu',
      altname: 'webserver-one-emu',
    });
  });

  test('the name it has already is no rename', () => {
    expect(parseVifSettings(vif, {}, { vifname: 'vif7.1' }).rename).toBeUndefined();
  });

  test.each([
    ['mtu', '67', 'mtu is "67"; say a whole number from 68 to 65535.'],
    ['mtu', '1500 up', 'mtu is "1500 up"; say a whole number from 68 to 65535.'],
    ['mac', '00:16:3e:00:00', 'mac is "00:16:3e:00:00", which is no MAC address; '],
  ] as const)('%s is not used when it is %j, and the reason is there', (key, value, why) => {
    const settings = parseVifSettings(vif, { [key]: value }, {});
    expect(settings[key]).toBeUndefined();
    expect(settings.unfit[key]).toContain(why);
  });

  test.each([
    ['bridge', 'br0; reboot'],
    ['bridge', 'x'.repeat(5000)],
    ['ip', '10.0.0.1 -j DROP'],
    ['vifname', '--help'],
    ['filter', 'perhaps'],
    ['vifname', '$(id)'],
    ['bridge', '\ufffd\ufffd'],
  ])('%s is refused when it is %j', (key, value) => {
    expect(() => parseVifSettings(vif, { [key]: value }, {})).toThrow(RequestError);
    expect(() => parseVifSettings(vif, { [key]: value }, {})).toThrow(`${key} `);
  });
});
