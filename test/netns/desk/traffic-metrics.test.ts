import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countedRecordPath } from '../../../lib/record/paths.ts';
import { seal } from '../../../lib/record/sealed.ts';
import { xlEnv } from '../../support/hosts/host.ts';
import { NetHost } from '../../support/hosts/net-host.ts';
import { TrafficHost } from '../../support/hosts/traffic-host.ts';
import { waitUntil } from '../../support/wait.ts';

const FOLDER = '/var/lib/prometheus/node-exporter';
const uuid = (n: number) => `6b1c3a0e-0000-4000-8000-${`${n}`.padStart(12, '0')}`;
const hasReaders = ['promtool', 'prometheus-node-exporter'].every(
  (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0,
);

/** What Prometheus's own tool has against a text of metrics. */
function lint(net: TrafficHost, text: string): { status: number; said: string } {
  const { status, stdout, stderr } = net.host.run(['promtool', 'check', 'metrics'], { input: text });
  return { status, said: stdout + stderr };
}

describe('xen-network.prom', () => {
  let net: TrafficHost;

  beforeAll(async () => {
    net = await TrafficHost.create();
    net.host.ok('sh', '-c', `mkdir -p /var/lib/prometheus; mount -t tmpfs tmpfs /var/lib/prometheus`);
    net.domain(1, 'say "web\\"', uuid(1));
    net.card(1, { account: 'yes', antispoof: 'strict', ip: net.address(1) });
    net.ping(1, 10);
  });
  afterAll(() => net.host.close());

  test('is written where there is a folder for it, whole, and hooks note their calls from then on only', () => {
    expect(net.tool('traffic', '--save', '--textfile', FOLDER)).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    });
    expect(net.host.run(['ls', FOLDER]).status).not.toBe(0);
    expect(net.host.run(['ls', '/run/xen-network/hook-runs']).status).not.toBe(0);
    net.host.ok('mkdir', FOLDER);
    expect(net.tool('traffic', '--save', '--textfile', FOLDER).status).toBe(0);
    expect(net.host.ok('ls', '-A', FOLDER)).toBe('xen-network.prom\n');
    net.domain(2, 'db', uuid(2));
    net.card(2);
    expect(
      net.host.hook('vif-bridge', ['online', 'type_if=vif', 'bridge=nowhere'], { vif: 'vif9.0' }).status,
    ).toBe(1);
    for (let i = 0; i < 4; i++) {
      expect(net.tool('traffic', '--save', '--textfile', FOLDER).status).toBe(0);
      const text = net.host.ok('cat', `${FOLDER}/xen-network.prom`);
      expect(text).toMatch(
        /^xen_network_hook_duration_seconds_count\{hook="vif-bridge",command="online"\} 2$/m,
      );
      expect(text).toMatch(/^xen_network_hook_failures_total\{hook="vif-bridge",command="online"\} 1$/m);
    }
    const labels = `guest="say \\"web\\\\\\"",uuid="${uuid(1)}",card="0"`;
    const text = net.host.ok('cat', `${FOLDER}/xen-network.prom`);
    expect(text).toContain(`xen_network_guest_sent_bytes_total{${labels}} 10420\n`);
    expect(text).toContain(`xen_network_guest_received_packets_total{${labels}} 10\n`);
    expect(text).toContain(`xen_network_guest_refused_packets_total{${labels}} 0\n`);
    expect(text).toContain('xen_network_guest_cards{hotplug_status="connected"} 2\n');
    expect(net.tool('traffic', '--prometheus').stdout).toBe(text);
  });

  test("is what Prometheus's own readers understand", async (context) => {
    context.skip(!hasReaders, 'promtool and prometheus-node-exporter are not installed.');
    expect(lint(net, net.host.ok('cat', `${FOLDER}/xen-network.prom`))).toEqual({ status: 0, said: '' });
    net.host.ip('link set lo up');
    const words = [
      '--collector.disable-defaults',
      '--collector.textfile',
      `--collector.textfile.directory=${FOLDER}`,
    ];
    const exporter = net.host.start([
      'prometheus-node-exporter',
      '--web.listen-address=127.0.0.1:9100',
      ...words,
    ]);
    const get = 'exec 3<>/dev/tcp/127.0.0.1/9100; printf "GET /metrics HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3';
    let seen = '';
    await waitUntil('node_exporter to answer', () => {
      seen = net.host.run(['bash', '-c', get]).stdout;
      return seen.includes('node_textfile_scrape_error');
    });
    net.host.ok('sh', '-c', 'kill $(pidof prometheus-node-exporter)');
    await exporter;
    expect(seen).toMatch(/^node_textfile_scrape_error 0$/m);
    expect(seen).toMatch(
      /^xen_network_guest_sent_bytes_total\{card="0",guest="say \\"web\\\\\\"",uuid="\S+"\} 10420$/m,
    );
    expect(seen).toMatch(
      /^xen_network_hook_duration_seconds_sum\{command="online",hook="vif-bridge"\} 0\.\d+$/m,
    );
  });
});

describe('a network hook that is started with account=yes', () => {
  let net: NetHost;

  beforeAll(async () => {
    net = await NetHost.create();
  });
  afterAll(() => net.host.close());

  /** The guests that are counted after a guest has come. */
  function counted(hook: string, domid: number, values: Record<string, string>): string[] {
    net.store.write({
      [`/local/domain/${domid}/vm`]: `/vm/${uuid(domid)}`,
      [`/vm/${uuid(domid)}/uuid`]: uuid(domid),
    });
    net.guest(
      hook,
      domid,
      { script: `/etc/xen/scripts/${hook}`, ...values },
      hook === 'vif-nat' ? ['dhcp=no'] : [],
    );
    return net.host.run(['ls', '/run/xen-network/counted']).stdout.split('\n').filter(Boolean);
  }

  test('counts guests that do not say otherwise, until it is stopped', () => {
    net.ok('network-bridge', 'start', 'account=yes');
    expect(counted('vif-bridge', 1, { bridge: 'xenbr0' })).toEqual(['vif1.0']);
    expect(counted('vif-bridge', 2, { bridge: 'xenbr0', account: 'no' })).toEqual(['vif1.0']);
    expect(net.host.hook('network-bridge', ['stop', 'force=yes']).status).toBe(0);
    net.ok('network-bridge', 'start');
    expect(net.call('vif-bridge', 'online', 1)).toMatchObject({ status: 0 });
    expect(net.host.ok('ls', '/run/xen-network/counted')).toBe('');
    const again = net.host.hook('network-bridge', ['start', 'account=yes']);
    expect(again.stderr).toContain('xenbr0 was started without account=yes, and stays as it is');
    for (const domid of [1, 2]) net.end('vif-bridge', domid);
    net.ok('network-bridge', 'stop');
    net.ok('network-virtual', 'start', 'bridge=xenbr9', 'bridgeip=10.9.0.1/24', 'account=yes');
    expect(counted('vif-bridge', 3, { bridge: 'xenbr9' })).toEqual(['vif3.0']);
    net.end('vif-bridge', 3);
    net.ok('network-virtual', 'stop', 'bridge=xenbr9');
  });

  test.each([
    ['network-route', 'vif-route', 4, { ip: '192.0.2.77' }],
    ['network-nat', 'vif-nat', 5, {}],
  ])('%s: counts guests of %s alone', (network, hook, domid, values) => {
    const before = net.host.snapshot();
    net.ok(network, 'start', 'account=yes');
    expect(counted(hook, domid, values)).toEqual([`vif${domid}.0`]);
    net.ok(network, 'start');
    expect(net.host.hook(hook, ['online', 'type_if=vif', 'dhcp=no'], xlEnv(domid)).status).toBe(0);
    expect(net.host.ok('ls', '/run/xen-network/counted')).toBe('');
    net.end(hook, domid);
    net.ok(network, 'stop');
    expect(net.host.snapshot()['links']).toEqual(before['links']);
  });
});

describe('a host with a thousand guests', () => {
  const COUNT = 1000;
  let net: TrafficHost;

  beforeAll(async () => {
    net = await TrafficHost.create();
    const all = Array.from({ length: COUNT }, (_, i) => i + 1);
    net.host.ip(...all.map((n) => `link add vif${n}.0 type veth peer name end${n}`));
    for (let at = 0; at < COUNT; at += 200)
      net.store.write(
        Object.fromEntries(
          all.slice(at, at + 200).flatMap((n) => [
            [`/local/domain/${n}/name`, `guest${n}`],
            [`/local/domain/${n}/vm`, `/vm/${uuid(n)}`],
            [`/vm/${uuid(n)}/uuid`, uuid(n)],
            [`backend/vif/${n}/0/hotplug-status`, 'connected'],
          ]),
        ),
      );
    const table = 'table netdev xen_network_traffic {\n%\n}\n';
    const lines = all.flatMap((n) => [
      `counter sent/vif${n}.0 { packets ${n} bytes ${n * 100} }`,
      `counter received/vif${n}.0 { packets ${2 * n} bytes ${n * 1000} }`,
    ]);
    net.host.write('/run/table.nft', table.replace('%', lines.join('\n')));
    net.host.ok('nft', '-f', '/run/table.nft');
    net.host.run(['sh'], { input: recordScript(net, all) });
  });
  afterAll(() => net.host.close());

  test('shows what each has sent and received, and saves it', (context) => {
    const began = performance.now();
    const read = net.read();
    console.log(`traffic --json of ${COUNT} guests: ${Math.round(performance.now() - began)} ms`);
    expect(read).toHaveLength(COUNT);
    const guest = read.find(({ name }) => name === `guest${COUNT}`);
    expect(guest).toMatchObject({
      uuid: uuid(COUNT),
      running: true,
      sent: { packets: COUNT, bytes: COUNT * 114 },
      received: { packets: 2 * COUNT, bytes: COUNT * 1000 },
      cards: [{ devices: [`vif${COUNT}.0`] }],
    });
    net.host.ok('mkdir', '-p', '/run/texts');
    expect(net.tool('traffic', '--save', '--textfile', '/run/texts')).toMatchObject({
      status: 0,
      stderr: '',
    });
    const text = net.host.ok('cat', '/run/texts/xen-network.prom');
    expect(text.match(/^xen_network_guest_sent_bytes_total\{/gm)).toHaveLength(COUNT);
    expect(net.read()).toEqual(read);
    context.skip(!hasReaders, 'promtool is not installed.');
    expect(lint(net, text)).toEqual({ status: 0, said: '' });
  });
});

/** A shell script that writes the records of devices whose counters are there. */
function recordScript(net: TrafficHost, domids: readonly number[]): string {
  const boot = net.host.ok('cat', '/proc/sys/kernel/random/boot_id').slice(0, 13);
  const listed = net.host.json('nft', '-j', 'list', 'table', 'netdev', 'xen_network_traffic');
  const { nftables } = listed as { nftables: Record<string, { name: string; handle: number }>[] };
  const handles = new Map(
    nftables.flatMap(({ counter }) => (counter === undefined ? [] : [[counter.name, counter.handle]])),
  );
  const table = nftables.flatMap((one) => one['table']?.handle ?? [])[0];
  const lines = domids.map((n) => {
    const id = [boot, table, handles.get(`sent/vif${n}.0`), handles.get(`received/vif${n}.0`)].join('.');
    const record = { uuid: uuid(n), guest: `guest${n}`, card: 0, port: `vif${n}.0`, id };
    return `echo '${seal(JSON.stringify(record))}' >${countedRecordPath(`vif${n}.0`)}`;
  });
  return ['mkdir -p /run/xen-network/counted', ...lines].join('\n');
}
