import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Host, xlEnv } from '../../support/hosts/host.ts';
import type { Ran } from '../../support/hosts/namespace.ts';
import { FINE, PLAIN_ENV } from '../../support/hosts/namespace.ts';
import { NetHost } from '../../support/hosts/net-host.ts';
import { guestMac, StrictHost } from '../../support/hosts/strict-host.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';
import { waitUntil } from '../../support/wait.ts';

/** Runs that wait for a lock in the order in which they came, until it is let go. */
class Queue {
  readonly #host: Host;
  readonly #holder: Promise<Ran>;
  readonly #runs: Promise<Ran>[] = [];

  private constructor(host: Host, holder: Promise<Ran>) {
    this.#host = host;
    this.#holder = holder;
  }

  static async behind(host: Host, lock: string): Promise<Queue> {
    host.ok('sh', '-c', `rm -f /run/go; mkdir -p "$(dirname "$1")"`, 'sh', lock);
    const script = 'touch /run/held; until [ -e /run/go ]; do sleep 0.02; done; rm /run/held';
    const holder = host.start(['flock', lock, 'sh', '-c', script]);
    await waitUntil('the lock to be held', () => host.run(['test', '-e', '/run/held']).status === 0);
    return new Queue(host, holder);
  }

  async add(run: Promise<Ran>): Promise<void> {
    this.#runs.push(run);
    const waiting = () => this.#host.ok('cat', '/proc/locks').match(/-> FLOCK/g)?.length ?? 0;
    await waitUntil('the run to wait', () => waiting() === this.#runs.length);
  }

  async go(): Promise<Ran[]> {
    this.#host.ok('touch', '/run/go');
    await this.#holder;
    return Promise.all(this.#runs);
  }
}

describe('under the strict filter', () => {
  let host: StrictHost;
  const vifHost = () => host.vif.host;

  beforeAll(async () => {
    host = await StrictHost.create();
  });

  afterAll(() => vifHost().close());

  beforeEach(() => {
    vifHost().run(['nft', 'flush', 'ruleset']);
    vifHost().ok('rm', '-rf', '/run/xen-network', '/etc/xen/scripts/vif-post.d');
  });

  afterEach(() => {
    for (const domid of [1, 2]) host.vif.unplug(domid);
  });

  const online = (domid: number, ...words: string[]) =>
    vifHost().startHook('vif-bridge', ['online', ...words], xlEnv(domid));
  const mode = (word: string) => vifHost().startHook('xen-network', ['vif', 'vif1.0', word]);

  test.each([
    ['an online behind a change of the mode', [() => mode('disabled'), () => online(1)]],
    ['a change of the mode behind an online', [() => online(1), () => mode('disabled')]],
    ['the later of two modes', [() => mode('unlocked'), () => mode('disabled')]],
  ])('%s leaves the guest disabled', async (_what, runs) => {
    host.guest(1, { ip: '192.0.2.1', antispoof: 'strict' });
    const queue = await Queue.behind(vifHost(), '/run/xen-network/lock/vif1.0');
    for (const run of runs) await queue.add(run());
    for (const { status, stderr } of await queue.go())
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(host.elements().join()).toContain('"goto":{"target":"refuse"}');
    expect(host.vif.store.list('/local/domain/0/backend/vif/1/0')).toContain(
      '/local/domain/0/backend/vif/1/0/locking = "disabled"',
    );
  });

  test('a mode that cannot be had is not left in xenstore', () => {
    host.guest(1, { ip: '192.0.2.1', antispoof: 'strict' });
    host.vif.store.write({ '/local/domain/0/backend/vif/1/0/mac': 'nonsense' });
    const ran = vifHost().hook('xen-network', ['vif', 'vif1.0', 'disabled']);
    expect(ran.status).toBe(1);
    expect(host.vif.store.list('/local/domain/0/backend/vif/1/0').join()).not.toContain('locking');
  });

  test("one guest's post hook keeps no other guest waiting, not even when the table has to be made", async () => {
    const hook =
      'if [ "$dev $command" != "vif1.0 online" ]; then return 0; fi; touch /run/in; until [ -e /run/out ]; do sleep 0.02; done';
    vifHost().write('/etc/xen/scripts/vif-post.d/10-slow.hook', hook, '755');
    vifHost().ok('rm', '-f', '/run/in', '/run/out');
    for (const domid of [1, 2])
      host.vif.card(domid, { mac: guestMac(domid), ip: `192.0.2.${domid}`, antispoof: 'strict' });
    const first = online(1);
    await waitUntil('the post hook', () => vifHost().run(['test', '-e', '/run/in']).status === 0);
    try {
      expect(await online(2)).toEqual(FINE);
      expect(vifHost().hook('xen-network', ['vif', 'vif2.0', 'log', 'on']).status).toBe(0);
      expect(host.vif.offline(2)).toEqual(FINE);
    } finally {
      vifHost().ok('touch', '/run/out');
    }
    expect(await first).toEqual(FINE);
    expect(host.elements().join()).toContain('vif1.0');
    expect(host.elements().join()).not.toContain('vif2.0');
  });

  test('what takes the table away again leaves it to a guest that has come meanwhile', async () => {
    host.vif.card(1, { mac: guestMac(1), ip: '192.0.2.1', antispoof: 'strict' });
    const started = vifHost().startHook('network-virtual', [
      'start',
      'bridge=vn0',
      'antispoof=strict',
      'check=192.0.2.99',
    ]);
    const isMade = () => vifHost().run(['nft', 'list', 'table', 'bridge', 'xen_network']).status === 0;
    await waitUntil('the table', isMade);
    expect(host.vif.online(1)).toEqual(FINE);
    expect((await started).status).toBe(1);
    expect(host.elements().join()).toContain('vif1.0');
  });
});

describe('a refilter', () => {
  let host: StrictHost;
  const vifHost = () => host.vif.host;
  const refilter = (env = {}) => vifHost().startHook('xen-network', ['refilter'], env);
  const held = (domid: number) => host.elements().join().includes(`"vif${domid}.0"`);
  const locking = (domid: number) => `/run/xen-network/lock/vif${domid}.0`;
  const flush = () => vifHost().ok('sh', '-c', 'nft flush ruleset; iptables -F; ip6tables -F');

  beforeAll(async () => {
    host = await StrictHost.create();
  });

  afterAll(() => vifHost().close());

  beforeEach(() => {
    vifHost().run(['nft', 'flush', 'ruleset']);
    vifHost().ok('rm', '-rf', '/run/xen-network');
    host.guest(1, { ip: '192.0.2.1', antispoof: 'strict' });
    host.guest(2, { ip: '192.0.2.2', antispoof: 'strict' });
  });

  afterEach(() => {
    for (const domid of [1, 2, 3]) host.vif.unplug(domid);
  });

  test('has all guests back while one of their hooks holds on to its lock', async () => {
    const elements = host.elements();
    const queue = await Queue.behind(vifHost(), locking(1));
    flush();
    await queue.add(refilter());
    expect(host.elements()).toEqual(elements);
    // Somebody flushes once more: what xenstore says is looked at when the lock is free.
    host.vif.store.write({ '/local/domain/0/backend/vif/1/0/ip': '192.0.2.11' });
    for (const ran of await queue.go()) expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(host.elements().join()).toContain('192.0.2.11');
    expect(held(2)).toBe(true);
  });

  test('has all guests back where xenstored is away, and says that it is', async () => {
    const elements = host.elements();
    flush();
    const ran = await refilter({ XENSTORED_PATH: '/nonexistent' });
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('xenstore cannot be reached.');
    expect(host.elements()).toEqual(elements);
  });

  test('loses nobody whom xenstore does not list, as long as the kernel has the device', async () => {
    host.vif.store.forget(1, 0);
    flush();
    expect(await refilter()).toMatchObject({
      status: 0,
      stderr:
        'xen-network: xenstore has no entry of vif1.0, which runs, so it keeps the rules that it had; ' +
        'start its guest again if it needs others.\n',
    });
    expect(held(1)).toBe(true);
    expect(host.vif.offline(1)).toEqual(FINE);
    expect(held(1)).toBe(false);
  });

  test('takes a guest in that comes while it waits', async () => {
    const queue = await Queue.behind(vifHost(), locking(1));
    await queue.add(refilter());
    host.vif.card(3, { mac: guestMac(3), ip: '192.0.2.3', antispoof: 'strict' });
    expect(host.vif.online(3)).toEqual(FINE);
    flush();
    await queue.go();
    expect(held(3)).toBe(true);
  });

  test('holds few files open, however many cards there are', async () => {
    for (let devid = 0; devid < 60; devid++) host.vif.store.vif(50, devid, { mac: guestMac(50) });
    const limited = 'ulimit -n 40; exec /etc/xen/scripts/xen-network refilter';
    expect(vifHost().run(['sh', '-c', limited])).toMatchObject({ status: 0, stderr: '' });
    for (let devid = 0; devid < 60; devid++) host.vif.store.forget(50, devid);
  });

  test('sees a mode and an element that somebody changed', async () => {
    const elements = host.elements();
    const of = (verb: string, element: string) =>
      vifHost().ok(
        'nft',
        verb,
        'element',
        'bridge',
        'xen_network',
        ...element.split(/ (.*)/).filter(Boolean),
      );
    of('delete', 'guests { "vif1.0" }');
    of('add', 'guests { "vif1.0" : jump xen-network-custom }');
    of('delete', `own4 { "vif2.0" . ${guestMac(2)} . 192.0.2.2 }`);
    of('add', `own4 { "vif2.0" . ${guestMac(2)} . 192.0.2.9 }`);
    expect(vifHost().hook('xen-network', ['vif']).stderr).toContain('vif1.0 and the elements of vif2.0');
    expect(await refilter()).toMatchObject({ status: 0, stderr: '' });
    expect(host.elements()).toEqual(elements);
  });

  test.each([
    ['locking=disabled', '"goto":{"target":"refuse"}'],
    ['ip=192.0.2.55', '192.0.2.55'],
  ])(
    'keeps what came by an argument, %s, through a change of the log and a flush without records',
    async (word, what) => {
      host.vif.card(3, { mac: guestMac(3) });
      const ran = vifHost().hook('vif-bridge', ['online', 'antispoof=strict', word], xlEnv(3));
      expect(ran).toEqual(FINE);
      expect(vifHost().hook('xen-network', ['vif', 'vif3.0', 'log', 'on']).status).toBe(0);
      if (word.startsWith('ip'))
        expect(vifHost().hook('xen-network', ['vif', 'vif3.0', 'locked']).status).toBe(0);
      const own = () =>
        host
          .elements()
          .filter((line) => line.includes('vif3.0'))
          .join();
      expect(own()).toContain(what);
      flush();
      vifHost().ok('rm', '-rf', '/run/xen-network');
      expect(await refilter()).toMatchObject({ status: 0, stderr: '' });
      expect(own()).toContain(what);
    },
  );
});

test('two starts of network-multi-bridge at once are both remembered, and one stop stops all', async () => {
  const net = await NetHost.create();
  try {
    const before = await net.host.settled();
    const queue = await Queue.behind(net.host, '/run/xen-hotplug/network-bridge');
    for (const bridge of ['vn1', 'vn2'])
      await queue.add(
        net.host.startHook('network-multi-bridge', ['start', 'network-virtual', `bridge=${bridge}`]),
      );
    for (const { status } of await queue.go()) expect(status).toBe(0);
    expect(net.host.ok('ip', '-br', 'link', 'show', 'type', 'bridge')).toMatch(/vn1[\s\S]*vn2/);
    net.ok('network-multi-bridge', 'stop');
    expect(await net.host.snapshotLike(before)).toEqual(before);
  } finally {
    await net.host.close();
  }
});

test('the file of a lock that all hooks take stays, so that those who wait for it need not start again', async () => {
  const vif = await VifHost.create();
  try {
    const locks = () =>
      vif.host.ok('find', '/run/xen-hotplug', '/run/xen-network/lock', '-type', 'f', '-printf', '%p %i\\n');
    const [first, second] = [1, 2].map((domid) => {
      vif.card(domid, { bridge: 'xenbr0', ip: `192.0.2.${domid}` });
      expect(vif.host.hook('vif-bridge', ['online', 'type_if=vif'], xlEnv(domid))).toEqual(FINE);
      return locks();
    });
    expect(first).toMatch(/^\/run\/xen-hotplug\/iptables \d+$/m);
    expect(first).not.toContain('lock/vif1.0');
    expect(second).toBe(first);
  } finally {
    await vif.host.close();
  }
});

test('a hook that finds the folder of the locks just made by another one goes on', async () => {
  const vif = await VifHost.create();
  try {
    vif.card(1, { bridge: 'xenbr0' });
    vif.host.ok('rm', '-rf', '/run/xen-network');
    // The folder above is the second that it makes: it stops there.
    const pause = '-e trace=mkdir,mkdirat -e inject=mkdir,mkdirat:signal=SIGSTOP:when=2';
    const strace = `strace -qq -o /run/trace ${pause} /etc/xen/scripts/vif-bridge online type_if=vif`;
    const ran = vif.host.start(strace.split(' '), { env: { ...PLAIN_ENV, ...xlEnv(1) } });
    await waitUntil('the folder above', () => vif.host.run(['test', '-e', '/run/xen-network']).status === 0);
    vif.host.ok('mkdir', '/run/xen-network/lock');
    vif.host.ok('pkill', '-CONT', '-x', 'vif-bridge');
    expect(await ran).toEqual(FINE);
    expect(vif.host.ok('grep', 'xen-network/lock"', '/run/trace')).toContain('EEXIST');
  } finally {
    await vif.host.close();
  }
});
