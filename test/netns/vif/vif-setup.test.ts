import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HookHost } from '../../support/hosts/hook-host.ts';
import { type Host, xlEnv } from '../../support/hosts/host.ts';
import { FINE, PLAIN_ENV, type Ran } from '../../support/hosts/namespace.ts';

const SCRIPTS = '/etc/xen/scripts';

let setup: HookHost;
let host: Host;

beforeAll(async () => {
  setup = await HookHost.create('vif-setup');
  host = setup.host;
  host.ip(
    'link add xenbr0 type bridge',
    'link set xenbr0 up',
    'link add xenbr1 type bridge',
    'link set xenbr1 up',
  );
  host.nic('eth0', { address: '198.51.100.2/24' });
});

afterAll(() => host.close());

beforeEach(() => setup.card(1, { ip: '192.0.2.7' }));

/** Calls vif-setup as udev does for a guest of xend (docs/contract.md, "Callers"). */
function udev(script: string | undefined, ...words: string[]): Ran {
  return udevOf('vif1.0', script, ...words);
}

/** The same, for the name that the device has by then. */
function udevOf(vif: string, script: string | undefined, ...words: string[]): Ran {
  const env = {
    vif,
    XENBUS_PATH: '/local/domain/0/backend/vif/1/0',
    XENBUS_TYPE: 'vif',
    UDEV_CALL: '1',
    ...(script === undefined ? {} : { script }),
  };
  const given = words.length === 0 ? ['online', 'type_if=vif'] : words;
  return host.hook('vif-setup', given, env);
}

/** The bridge that the guest's device is on. */
function master(): string | undefined {
  return / master (\S+)/.exec(setup.lines('link', 'show', 'dev', 'vif1.0').join(' '))?.[1];
}

/** A script of the administrator's own. */
function script(path: string, text: string): void {
  host.write(path, `#!/bin/sh\n${text}\n`, '755');
}

describe('our own hooks', () => {
  test.each([
    ['vif-bridge, when none is named', undefined, 'xenbr0'],
    ['vif-bridge with arguments', 'vif-bridge bridge=xenbr1', 'xenbr1'],
    ['a path', `${SCRIPTS}/vif-bridge  bridge=xenbr1 `, 'xenbr1'],
    ['vif-route', 'vif-route netdev=eth0', undefined],
  ])('%s', (_what, named, bridge) => {
    expect(udev(named)).toEqual(FINE);
    expect(master()).toBe(bridge);
    expect(setup.lines('route', 'show', 'dev', 'vif1.0')).toHaveLength(bridge === undefined ? 1 : 0);
    expect(setup.store.told(1).status).toBe('connected');
    expect(udev(named, 'offline')).toEqual(FINE);
    expect([master(), setup.lines('route', 'show', 'dev', 'vif1.0')]).toEqual([undefined, []]);
  });

  test('run in the same process', () => {
    const env = { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0', script: 'vif-bridge bridge=xenbr0' };
    const { ran, started } = host.traced('vif-setup', ['online'], env);
    expect(ran).toEqual(FINE);
    expect(started.filter((path) => path.startsWith(SCRIPTS))).toEqual([`${SCRIPTS}/vif-setup`]);
  });

  test.each(['bridge="xenbr1"', "bridge='xenbr1'"])('take quotes off: %s', (word) => {
    expect(udev(`vif-bridge ${word}`)).toEqual(FINE);
    expect(master()).toBe('xenbr1');
  });

  test('speak under their own name', () => {
    const ran = udev('vif-bridge bridge=nosuch0');
    expect(ran.status).toBe(1);
    expect(ran.stderr).toMatch(/^vif-bridge: The bridge nosuch0 does not exist\./);
    expect(setup.store.told(1).error).toMatch(
      /^vif-bridge online vif1\.0: The bridge nosuch0 does not exist\./,
    );
  });

  test('are known by name where no link is', () => {
    host.ok('mv', `${SCRIPTS}/vif-bridge`, '/run/vif-bridge');
    try {
      expect(udev('vif-bridge bridge=xenbr1')).toEqual(FINE);
      expect(master()).toBe('xenbr1');
    } finally {
      host.ok('mv', '/run/vif-bridge', `${SCRIPTS}/vif-bridge`);
    }
  });

  test('print what would be done', () => {
    const { status, stdout } = udev('vif-bridge bridge=xenbr1', 'online', '--dry-run');
    expect([status, master()]).toEqual([0, undefined]);
    expect(stdout).toContain('ip link set dev vif1.0 master xenbr1');
  });
});

describe.each([
  'vif-bridge bridge=xenbr0',
  'vif-bridge bridge=xenbr0 antispoof=strict',
  'vif-route',
  'vif-nat dhcp=no',
])('a card that was renamed is known by its domain and number: %s', (named) => {
  test('offline under its present name leaves nothing', () => {
    setup.card(1, { ip: '192.0.2.7', mac: '00:16:3e:00:00:01', vifname: 'http' });
    expect(udev(named)).toEqual(FINE);
    expect(setup.lines('-br', 'link', 'show', 'dev', 'http')).toHaveLength(1);
    expect(host.ok('ls', '/run/xen-network/vif').trim()).toBe('vif1.0');
    expect(udevOf('http', named, 'offline', 'type_if=vif')).toEqual(FINE);
    expect(
      host.ok('sh', '-c', 'ls /run/xen-network/vif /run/xen-network/strict 2>/dev/null || :'),
    ).not.toMatch(/vif1\.0$|^http$/m);
    expect(host.ok('iptables', '-S', 'FORWARD')).not.toContain('vif1.0');
    expect(host.run(['nft', 'list', 'ruleset']).stdout).not.toContain('"http"');
    expect(udevOf('http', named)).toEqual(FINE);
    expect(udevOf('http', named, 'offline', 'type_if=vif')).toEqual(FINE);
  });

  test.each(['present', 'first'] as const)('and so is its tap, removed by its %s name', (known) => {
    setup.card(1, { ip: '192.0.2.7', mac: '00:16:3e:00:00:01', vifname: 'http' });
    host.tap(1);
    const tap = (word: string, name: string) =>
      host.hook('vif-setup', [word, 'type_if=tap'], xlEnv(1, 0, { INTERFACE: name, script: named }));
    expect(tap('add', 'vif1.0-emu')).toEqual(FINE);
    const [present = ''] = host.ok('ip', '-br', 'link', 'show', 'type', 'tun').split(/\s/);
    expect(present).toBe('http-emu');
    expect(tap('remove', known === 'present' ? present : 'vif1.0-emu')).toEqual(FINE);
    const left = [
      host.ok('find', '/run/xen-network', '-not', '-path', '*/lock/*'),
      host.ok('iptables-save'),
      host.ok('ip', 'route', 'show', 'table', 'all'),
      host.run(['nft', 'list', 'ruleset']).stdout,
    ];
    expect(left.join('\n')).not.toMatch(/vif1\.0-emu|http/);
  });
});

describe('a script of another’s', () => {
  test('gets the words, the whole environment and the streams, and its status is passed on', () => {
    script(`${SCRIPTS}/mine`, 'echo "$0 $*|$vif|$XENBUS_PATH|$HOME"; cat; echo to-stderr >&2; exit 7');
    const env = {
      ...PLAIN_ENV,
      HOME: '/somewhere',
      vif: 'vif1.0',
      XENBUS_PATH: 'p',
      script: 'mine bridge=x $(id) "a',
    };
    const ran = host.run([`${SCRIPTS}/vif-setup`, 'online', 'type_if=vif'], { env, input: 'to-stdin\n' });
    expect(ran).toEqual({
      status: 7,
      stdout: `${SCRIPTS}/mine bridge=x $(id) "a online type_if=vif|vif1.0|p|/somewhere\nto-stdin\n`,
      stderr: 'to-stderr\n',
    });
  });

  test('in the place of one of ours is run, not ours', () => {
    host.ok('mv', `${SCRIPTS}/vif-nat`, '/run/vif-nat');
    script(`${SCRIPTS}/vif-nat`, 'echo "theirs $*"');
    try {
      expect(udev('vif-nat dhcp=no').stdout).toBe('theirs dhcp=no online type_if=vif\n');
    } finally {
      host.ok('mv', '/run/vif-nat', `${SCRIPTS}/vif-nat`);
    }
  });

  test('without a "#!" line is the shell\'s, as where a shell runs it', () => {
    host.write('/run/bare', 'echo "bare $* $vif"; exit 3\n', '755');
    expect(udev('/run/bare a=b')).toEqual({
      status: 3,
      stdout: 'bare a=b online type_if=vif vif1.0\n',
      stderr: '',
    });
  });

  test('that is killed: the status says by what', () => {
    script('/run/killed', 'kill -9 $$');
    expect(udev('/run/killed').status).toBe(137);
  });

  test.each([
    ['is not there', '/run/nosuch', 'The guest\'s script "/run/nosuch" cannot be run'],
    ['may not be run', '/etc/passwd', 'The guest\'s script "/etc/passwd" cannot be run'],
    ['is vif-setup itself', 'vif-setup', 'leads back to vif-setup for ever'],
    ['is vif-setup by its path', `${SCRIPTS}/vif-setup`, 'leads back to vif-setup for ever'],
  ])('that %s: xenstore is told, and offline goes on', (_what, named, why) => {
    const ran = udev(named);
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain(why);
    expect(setup.store.told(1)).toMatchObject({ status: 'error', error: expect.stringContaining(why) });
    expect(udev(named, 'offline').status).toBe(0);
  });

  test('that calls vif-setup again does not go round for ever', () => {
    script('/run/round', 'echo once; exec /etc/xen/scripts/vif-setup "$@"');
    const ran = udev('/run/round');
    expect([ran.status, ran.stdout]).toEqual([1, 'once\n']);
    expect(setup.store.told(1).error).toContain('leads back to vif-setup for ever');
  });

  test('that calls vif-setup for another script works', () => {
    script('/run/wrapper', 'script="vif-bridge bridge=xenbr1" exec /etc/xen/scripts/vif-setup "$@"');
    expect(udev('/run/wrapper')).toEqual(FINE);
    expect(master()).toBe('xenbr1');
  });
});

test('udev’s call is one too many where libxl runs the hooks itself', () => {
  setup.store.write({ '/libxl/disable_udev': '1', '/local/domain/0/libxl/disable_udev': '1' });
  expect(udev('vif-bridge bridge=xenbr1')).toEqual(FINE);
  expect(master()).toBeUndefined();
});
