import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Host } from '../../support/hosts/host.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

let vif: VifHost;
let host: Host;

beforeAll(async () => {
  vif = await VifHost.create();
  host = vif.host;
});

afterAll(() => host.close());

beforeEach(() => vif.reset());

describe('offline cleans whatever is missing', () => {
  const gone: Readonly<Record<string, () => void>> = {
    'the vif': () => host.ip('link del dev web'),
    'the bridge': () => {
      host.ip('link del dev xenbr0');
    },
    'all rules': () => host.ok('iptables', '-F'),
    'one rule': () => host.ok('iptables', '-D', 'FORWARD', '1'),
    'everything in xenstore': () => vif.store.forget(1),
    'the record': () => host.ok('rm', '-r', '/run/xen-network'),
    'the record and the vif': () => {
      host.ok('rm', '-r', '/run/xen-network');
      host.ip('link del dev web');
    },
    'the record and everything in xenstore': () => {
      host.ok('rm', '-r', '/run/xen-network');
      vif.store.forget(1);
    },
    'all of it': () => {
      host.ok('sh', '-c', 'rm -r /run/xen-network; iptables -F; ip6tables -F; ip link del dev web');
      vif.store.forget(1);
    },
  };

  test.each(Object.entries(gone))('%s', (_what, take) => {
    vif.card(1, { ip: '192.0.2.7 2001:db8::7', vifname: 'web' });
    expect(vif.online(1).status).toBe(0);
    take();
    expect(vif.offline(1).status).toBe(0);
    if (vif.link('xenbr0') === undefined) {
      vif.makeBridge();
    }
    expect([...vif.forward(), ...vif.forward(6)]).toEqual(['-P FORWARD ACCEPT', '-P FORWARD ACCEPT']);
    expect(vif.link('web') ?? '').not.toMatch(/UP|master/);
    expect(host.snapshot()['files']).toEqual([]);
  });
});

describe('without an xenstore', () => {
  const nowhere = { XENSTORED_PATH: '/run/nosuch/socket' };

  test('an online is refused before anything is touched', async () => {
    vif.card(1);
    const before = await host.settled();
    const { status, stderr } = vif.online(1, nowhere);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^vif-bridge: xenstore cannot be reached\. .*\/run\/nosuch\/socket/);
    expect(await host.snapshotLike(before)).toEqual(before);
  });

  test('an offline cleans all the same', () => {
    vif.card(1, { ip: '192.0.2.7 2001:db8::7', vifname: 'web' });
    expect(vif.online(1).status).toBe(0);
    expect(vif.offline(1, nowhere).status).toBe(0);
    expect([...vif.forward(), ...vif.forward(6)]).toEqual(['-P FORWARD ACCEPT', '-P FORWARD ACCEPT']);
    expect(vif.link('web')).not.toMatch(/UP|master/);
  });
});

describe('with an xenstored that ends each connection', () => {
  const closing = { XENSTORED_PATH: '/run/closing' };

  beforeAll(() => {
    const serve = `
      socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un("/run/closing")); listen(S, 5); exit if fork;
      close(C) while accept(C, S);`;
    host.ok('sh', '-c', 'exec perl -MSocket -e "$1" >/dev/null 2>&1', 'sh', serve);
  });

  test('an online fails, and leaves nothing', async () => {
    vif.card(1);
    const before = await host.settled();
    const { status, stderr } = vif.online(1, closing);
    expect(status).toBe(1);
    expect(stderr).toContain('xenstored at /run/closing gave no proper answer.');
    expect(await host.snapshotLike(before)).toEqual(before);
  });

  test('an offline cleans all the same', () => {
    vif.card(1, { ip: '192.0.2.7 2001:db8::7', vifname: 'web' });
    expect(vif.online(1).status).toBe(0);
    const { status, stderr } = vif.offline(1, closing);
    expect(status).toBe(0);
    expect(stderr).toContain('xenstored at /run/closing gave no proper answer.');
    expect([...vif.forward(), ...vif.forward(6)]).toEqual(['-P FORWARD ACCEPT', '-P FORWARD ACCEPT']);
    expect(vif.link('web')).not.toMatch(/UP|master/);
    expect(host.snapshot()['files']).toEqual([]);
  });
});
