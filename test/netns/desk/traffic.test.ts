import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTraffic } from '../../../lib/system/kernel/nf-counters.ts';
import { xlEnv } from '../../support/hosts/host.ts';
import { type Counted, FILE, sumOf, TrafficHost } from '../../support/hosts/traffic-host.ts';
import { startOpenVswitch } from '../../support/openvswitch.ts';

const uuid = (n: number) => `6b1c3a0e-0000-4000-8000-${`${n}`.padStart(12, '0')}`;
const NOTHING: Counted = { packets: 0, bytes: 0 };

describe('the totals of a guest', () => {
  let net: TrafficHost;
  const WEB = uuid(1);
  let all = NOTHING;

  beforeAll(async () => {
    net = await TrafficHost.create();
  });
  afterAll(() => net.host.close());

  /** Lets the guest and the host exchange some packets, which the totals must have from now on. */
  function exchange(domid: number, packets = 20): void {
    all = sumOf(all, net.ping(domid, packets));
  }

  /** Reads the totals, which must be what was exchanged. */
  function expectAll(name = 'web'): void {
    expect(net.flow(WEB)).toEqual({ name, sent: all, received: all });
  }

  /** The guest starts again, as another domain. */
  function comes(domid: number, name = 'web'): void {
    net.domain(domid, name, WEB);
    net.card(domid);
  }

  test('are what it sent and received, to the byte, and no child is started for them', () => {
    net.domain(1, 'web', WEB);
    // The first hook of a host makes the chains of iptables.
    net.card(9, {});
    net.end(9);
    let started: string[] = [];
    net.card(1, { account: 'yes' }, 'vif-bridge', 0, () => {
      const traced = net.host.traced('vif-bridge', ['online', 'type_if=vif'], xlEnv(1));
      started = traced.started;
      return traced.ran;
    });
    expect(started).toEqual(['/etc/xen/scripts/vif-bridge']);
    exchange(1, 50);
    expectAll();
    const table = net.tool('traffic');
    expect(table).toMatchObject({ status: 0, stderr: '' });
    expect(table.stdout).toMatch(/^web +0 +vif1\.0 +50\.9 KiB +50 +50\.9 KiB +50 +- /m);
    expect(net.tool('traffic', 'web').stdout).toBe(table.stdout);
    expect(net.tool('traffic', '1').stdout).toBe(table.stdout);
    expect(net.tool('traffic', 'nobody').status).toBe(2);
  });

  test('count no packet twice, however often they are saved, by several at once, and though a repeated online', async () => {
    for (let i = 0; i < 2; i++) net.save();
    const savers = ['--save', '--save', '--save', '--json'].map((word) =>
      net.host.startHook('xen-network', ['traffic', word]),
    );
    expect((await Promise.all(savers)).map(({ status }) => status)).toEqual([0, 0, 0, 0]);
    expect(net.online(1).status).toBe(0);
    exchange(1);
    expect(net.tool('refilter').status).toBe(0);
    expectAll();
  });

  test('follow a guest that is renamed, also after its end', () => {
    net.domain(1, 'shop', WEB);
    expectAll('shop');
    net.save();
    expect(net.end(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expectAll('shop');
    expect(net.read()).toMatchObject([{ running: false }]);
  });

  test('go on when it is started again, and when it comes back from another host', () => {
    comes(2);
    exchange(2);
    expectAll();
    net.save();
    exchange(2);
    net.end(2);
    comes(3);
    exchange(3);
    net.end(3);
    expectAll();
  });

  test('lose nothing and count nothing twice where a save is killed at any point', () => {
    comes(4);
    exchange(4);
    for (const call of ['fsync', 'rename', 'unlink'])
      for (const nth of [1, 2, 3]) {
        const strace = `strace -f -qq -o /dev/null -e trace=/^${call} -e inject=/^${call}:signal=SIGKILL:when=${nth}`;
        net.end(4);
        net.host.run([...strace.split(' '), '/etc/xen/scripts/xen-network', 'traffic', '--save']);
        expectAll();
        comes(4);
        exchange(4, 3);
      }
    net.save();
    expectAll();
    net.end(4);
    expectAll();
  });

  test('lose nothing and count nothing twice where an offline is killed at any point', () => {
    for (const [call, nth] of [
      ['fsync', 1],
      ['fsync', 2],
      ['rename', 2],
      ['rename', 3],
      ['unlink', 3],
    ] as const) {
      comes(8);
      exchange(8, 3);
      net.unplug(8);
      const strace = `strace -f -qq -o /dev/null -e trace=/^${call} -e inject=/^${call}:signal=SIGKILL:when=${nth}`;
      const words = [...strace.split(' '), '/etc/xen/scripts/vif-bridge', 'offline', 'type_if=vif'];
      const env = Object.entries(xlEnv(8)).map(([name, value]) => `${name}=${value}`);
      expect(net.host.run(['env', ...env, ...words]).status).toBe(137);
      net.store.forget(8);
      expectAll();
    }
    net.save();
    expectAll();
    expect(net.tool('refilter').status).toBe(0);
    net.save();
    expectAll();
    expect(net.host.ok('ls', '/run/xen-network/counted')).toBe('');
  });

  test('go on after "nft flush ruleset" and a refilter, without what was not saved', () => {
    comes(5);
    exchange(5);
    net.save();
    net.ping(5, 7);
    net.host.ok('nft', 'flush', 'ruleset');
    const seen = net.tool('traffic', '--save');
    expect(seen).toMatchObject({ status: 1 });
    expect(seen.stderr).toContain(
      'vif5.0 of web is not counted: its counters are gone, as after "nft flush ruleset"',
    );
    net.ping(5, 7);
    expect(net.tool('refilter').status).toBe(0);
    exchange(5, 100);
    expectAll();
    expect(net.tool('traffic', '--save').status).toBe(0);
    exchange(5, 1);
    expectAll();
  });

  test('do not take counters for their own that somebody loads from a file', () => {
    net.save();
    const rules = net.host.ok('nft', 'list', 'table', 'netdev', 'xen_network_traffic');
    net.host.write('/run/saved.nft', `flush ruleset\n${rules}`);
    net.host.ok('nft', '-f', '/run/saved.nft');
    const seen = net.tool('traffic', '--save');
    expect(seen.stderr).toContain('its counters are not those that were put in place');
    expect(net.tool('refilter').status).toBe(0);
    exchange(5);
    expectAll();
  });

  test('follow a device that is renamed by hand, at the next save', () => {
    net.host.ip(
      'link set vif5.0 alias "xen-network vif5.0"',
      'link set vif5.0 down',
      'link set vif5.0 name card5',
      'link set card5 up',
    );
    const alias = net.host.ok('cat', '/sys/class/net/card5/ifalias');
    expect(alias).toContain('vif5.0');
    net.save();
    exchange(5);
    expectAll();
    net.end(5);
    expectAll();
  });

  test('outlive a reboot of the host, after which the same numbers come again', () => {
    comes(5);
    exchange(5);
    net.save();
    net.unplug(5);
    net.store.forget(5);
    net.host.ok(
      'sh',
      '-c',
      'rm -rf /run/xen-network; nft flush ruleset; echo 11111111-2222-3333-4444-555555555555 >/run/boot',
    );
    net.host.ok('mount', '--bind', '/run/boot', '/proc/sys/kernel/random/boot_id');
    expectAll();
    comes(5);
    exchange(5);
    expectAll();
    net.save();
    net.end(5);
    net.save();
    expectAll();
  });

  test('stay where the disk is full, and are saved once there is room', () => {
    comes(6);
    exchange(6);
    net.host.ok(
      'sh',
      '-c',
      'cp -a /var/lib/xen-network /run/kept; mount -t tmpfs -o size=64k tmpfs /var/lib/xen-network; cp -a /run/kept/. /var/lib/xen-network; dd if=/dev/zero of=/var/lib/xen-network/fill bs=4k 2>/dev/null || :',
    );
    const full = net.tool('traffic', '--save');
    expect(full).toMatchObject({ status: 2 });
    expect(full.stderr).toContain('cannot be written: no space is left (ENOSPC)');
    const gone = net.end(6);
    expect(gone).toMatchObject({ status: 0 });
    expect(gone.stderr).toContain('ENOSPC');
    expectAll();
    net.host.ok('rm', '/var/lib/xen-network/fill');
    net.save();
    expectAll();
    expect(net.tool('refilter').status).toBe(0);
    expect(net.host.ok('nft', 'list', 'table', 'netdev', 'xen_network_traffic')).not.toContain('vif6.0');
    expectAll();
  });

  test("are put aside where their file is damaged, and left alone where it is a later version's", () => {
    net.save();
    const text = net.host.ok('cat', FILE);
    net.host.write(FILE, text.replace(/^\d+ /, '99 '));
    expect(net.tool('traffic', '--save')).toMatchObject({ status: 2 });
    expect(net.host.ok('cat', FILE)).toMatch(/^99 /);
    net.host.write(FILE, text.replace('"sentPackets":', '"sentPackets":1'));
    const seen = net.tool('traffic', '--save');
    expect(seen).toMatchObject({ status: 1 });
    expect(seen.stderr).toContain(`${FILE} cannot be read any more and was renamed to ${FILE}.damaged`);
    expect(net.read()).toEqual([]);
    net.host.ok('rm', `${FILE}.damaged`);
    net.host.write(FILE, text);
    expectAll();
  });

  test('can be forgotten, but not of a guest that is counted', () => {
    comes(7);
    exchange(7);
    expect(net.tool('traffic', '--forget', 'web')).toMatchObject({ status: 2 });
    net.end(7);
    net.save();
    expect(net.tool('traffic', '--forget', 'web')).toMatchObject({
      status: 0,
      stdout: 'The totals of web are forgotten.\n',
    });
    expect(net.read()).toEqual([]);
  });
});

describe('account=', () => {
  let net: TrafficHost;

  beforeAll(async () => {
    net = await TrafficHost.create();
  });
  afterAll(() => net.host.close());

  test('keeps guests of one name apart, and a vif and its tap together', () => {
    for (const domid of [1, 2]) net.domain(domid, 'twin', uuid(domid));
    net.card(1);
    net.card(2);
    net.card(2, { account: 'yes' }, 'vif-bridge', 1);
    net.host.tap(1);
    const tap = { INTERFACE: 'vif1.0-emu', type_if: 'tap' };
    expect(net.host.hook('vif-bridge', ['add'], xlEnv(1, 0, tap))).toMatchObject({ status: 0 });
    const one = net.ping(1, 5);
    const [two, other] = [net.ping(2, 6), net.ping(2, 7, 500, 1)];
    const read = net.read();
    expect(read.map(({ name }) => name)).toEqual(['twin', 'twin']);
    expect(read.find((guest) => guest.uuid === uuid(1))).toMatchObject({
      sent: one,
      cards: [{ card: 0, devices: ['vif1.0', 'vif1.0-emu'], sent: one }],
    });
    expect(read.find((guest) => guest.uuid === uuid(2))).toMatchObject({
      sent: sumOf(two, other),
      cards: [
        { card: 0, sent: two },
        { card: 1, sent: other },
      ],
    });
    const counters = net.host.ok('nft', 'list', 'counters', 'table', 'netdev', 'xen_network_traffic');
    expect(counters).toContain('sent/vif1.0-emu');
    expect(net.host.hook('vif-bridge', ['remove'], xlEnv(1, 0, tap))).toMatchObject({ status: 0 });
    for (const [domid, devid] of [
      [1, 0],
      [2, 0],
      [2, 1],
    ] as const)
      net.end(domid, 'vif-bridge', devid);
    expect(net.host.ok('nft', 'list', 'counters', 'table', 'netdev', 'xen_network_traffic')).not.toContain(
      'vif',
    );
  });

  test('counts what the strict filter refuses among what is sent, and tells it', () => {
    net.domain(3, 'liar', uuid(3));
    const liar = net.card(3, { account: 'yes', antispoof: 'strict', ip: net.address(3) });
    const honest = net.ping(3, 5);
    liar.ip('address add 10.1.9.9/32 dev eth0');
    liar.run([
      'ping',
      '-n',
      '-q',
      '-c',
      '4',
      '-i',
      '0.01',
      '-w',
      '1',
      '-s',
      '100',
      '-I',
      '10.1.9.9',
      '10.0.0.1',
    ]);
    const [guest] = net.read().filter(({ uuid: own }) => own === uuid(3));
    const refused = guest?.cards[0]?.refused ?? NOTHING;
    expect(refused.packets).toBeGreaterThanOrEqual(4);
    expect(guest?.received).toEqual(honest);
    expect(guest?.sent).toEqual(sumOf(honest, { packets: refused.packets, bytes: 142 * refused.packets }));
    net.end(3);
  });

  test('is kept by a refilter and an attachment by hand where it came as an argument', () => {
    net.domain(4, 'told', uuid(4));
    net.card(4, {});
    expect(net.online(4, 'vif-bridge', 0, ['account=yes']).status).toBe(0);
    expect(net.store.read('backend/vif/4/0/xen-network')).toContain('account=yes');
    net.host.ok('nft', 'flush', 'ruleset');
    expect(net.tool('refilter').status).toBe(0);
    const first = net.ping(4, 4);
    expect(net.tool('reattach', 'told').status).toBe(0);
    const second = net.ping(4, 4);
    expect(net.flow(uuid(4))).toMatchObject({ sent: sumOf(first, second) });
    net.store.write({ 'backend/vif/4/0/account': 'no' });
    expect(net.online(4).status).toBe(0);
    const before = net.flow(uuid(4));
    net.ping(4, 4);
    expect(net.flow(uuid(4))).toEqual(before);
    net.end(4);
  });

  test('connects a guest that cannot be counted, and says why', () => {
    net.card(5);
    expect(net.store.told(5)).toMatchObject({
      status: 'connected',
      error: expect.stringContaining('The traffic of vif5.0 is not counted'),
    });
    net.end(5);
  });

  test('counts by nft as well, where the runtime has no sockets to the kernel', async () => {
    net.domain(5, 'plain', uuid(5));
    net.card(5);
    const run = (argv: readonly string[], { input = '' } = {}) => net.host.run(argv, { input });
    const byNft = await openTraffic({ native: async () => ({}), run });
    const sent = net.ping(5, 4);
    const seen = byNft.read().get('vif5.0');
    expect(seen).toMatchObject({ isCounting: true, flow: { sentPackets: 4, sentBytes: sent.bytes } });
    expect(net.host.ok('cat', '/run/xen-network/counted/vif5.0')).toContain(`.${seen?.id}"`);
    byNft.count('vif5.0', 'vif5.0');
    net.ping(5, 4);
    expect(byNft.read().get('vif5.0')).toMatchObject({ id: seen?.id, flow: { sentPackets: 8 } });
    byNft.forget('vif5.0');
    byNft.forget('vif5.0');
    expect(byNft.read().size).toBe(0);
    net.end(5);
  });

  test('counts a routed guest and one of vif-nat, and one of an Open vSwitch', () => {
    for (const domid of [6, 7, 8]) net.domain(domid, `guest${domid}`, uuid(domid));
    startOpenVswitch(net.host, 'ovsbr0');
    const cases = [
      [6, 'vif-route', { ip: net.address(6), account: 'yes' }],
      [7, 'vif-nat', { ip: '172.16.7.2/24', account: 'yes' }],
      [8, 'vif-openvswitch', { bridge: 'ovsbr0', account: 'yes' }],
    ] as const;
    for (const [domid, hook, values] of cases) {
      const guest = net.host.vif(domid);
      guest.ok('sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6');
      net.store.vif(domid, 0, {
        mac: `00:16:3e:00:0${domid}:00`,
        script: `/etc/xen/scripts/${hook}`,
        ...values,
      });
      const ran = net.host.hook(hook, ['online', 'type_if=vif', 'netdev=xenbr0', 'dhcp=no'], xlEnv(domid));
      expect({ hook, status: ran.status, stderr: ran.stderr }).toMatchObject({ status: 0 });
      guest.ip(
        'link set eth0 arp off up',
        `address add 10.1.0.${domid}/32 dev eth0`,
        'route add 10.0.0.1 dev eth0',
        'neigh replace 10.0.0.1 lladdr 02:00:00:00:00:09 dev eth0 nud permanent',
      );
      guest.run(['ping', '-n', '-q', '-c', '5', '-i', '0.01', '-w', '1', '-s', '1000', '10.0.0.1']);
      const sent = net.flow(uuid(domid))?.sent ?? NOTHING;
      const [, bytes, packets] =
        / TX:.*\n +(\d+) +(\d+)/.exec(guest.ok('ip', '-s', 'link', 'show', 'eth0')) ?? [];
      expect({ hook, sent }).toEqual({
        hook,
        sent: { packets: Number(packets), bytes: Number(bytes) },
      });
      expect(sent.packets).toBeGreaterThanOrEqual(5);
      net.end(domid, hook);
      expect(net.flow(uuid(domid))?.sent).toEqual(sent);
    }
  });
});
