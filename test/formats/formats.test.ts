import { existsSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { RUN_FOLDER, SHARED_FILE } from '../../lib/record/paths.ts';
import { xlEnv } from '../support/hosts/host.ts';
import { FINE, type Ran } from '../support/hosts/namespace.ts';
import type { NetHost } from '../support/hosts/net-host.ts';
import type { Snapshot } from '../support/models/snapshot.ts';
import { folderOf, thaw, VERSIONS } from './frozen.ts';
import { SCENARIOS, setUptime } from './scenarios.ts';

let net: NetHost;
/** The host before any hook was called on it. */
let before: Snapshot;

afterEach(() => net.host.close());

async function thawed(version: string, name: string): Promise<void> {
  const scenario = SCENARIOS[name];
  if (scenario === undefined) throw new Error(`There is no scenario ${name}.`);
  net = await thaw(version, name, scenario, async ({ host }) => {
    before = await host.settled();
  });
}

const tool = (...words: string[]): Ran => net.host.hook('xen-network', words);

function offline(hook: string, domid: number, ...words: string[]): void {
  expect(net.call(hook, 'offline', domid, words)).toEqual(FINE);
}

/** A snapshot without a guest's card, which its guest takes with it. */
function withoutCards(found: Snapshot): Snapshot {
  const isOthers = (line: string) => !/(^|\/)(web|mail|vif[1-9]\.0)[ /]/.test(line);
  const own = ['links', 'sysctl'].map((topic) => [topic, found[topic]?.filter(isOthers) ?? []] as const);
  return { ...found, ...Object.fromEntries(own) };
}

/** The strict tables stay, empty. */
async function mustBeAsBefore(): Promise<void> {
  expect(withoutCards(await net.host.settled())).toEqual(withoutCards(before));
  expect(net.host.run(['nft', 'list', 'ruleset']).stdout).not.toMatch(/"(web|mail|vif\d[0-9.]*)"/);
}

describe.each(VERSIONS)('what version %s left on a host', (version) => {
  test('is ended without a leftover: guests of all kinds of hooks', async () => {
    await thawed(version, 'guests');
    for (const [i, hook] of ['vif-bridge', 'vif-bridge', 'vif-nat', 'vif-route'].entries())
      offline(hook, i + 1, ...(hook === 'vif-nat' ? ['dhcp=no'] : []));
    net.ok('network-nat', 'stop');
    net.host.ok('ip', 'link', 'del', 'xenbr0');
    await mustBeAsBefore();
  });

  test('is listed, and put back after a firewall was flushed', async () => {
    await thawed(version, 'guests');
    const rules = () => ['iptables', 'ip6tables'].map((name) => net.host.ok(name, '-S', 'FORWARD')).join('');
    const sorted = (text: string) => text.split('\n').sort();
    const were = rules();
    expect(tool('vif').stdout).toMatch(/^web +vif2\.0 +locked /m);
    net.host.ok('sh', '-c', 'iptables -F FORWARD; ip6tables -F FORWARD; nft delete table bridge xen_network');
    expect(tool('refilter')).toMatchObject({ status: 0, stderr: '' });
    expect(sorted(rules())).toEqual(sorted(were));
    expect(net.host.ok('nft', 'list', 'set', 'bridge', 'xen_network', 'own4')).toContain('192.0.2.52');
  });

  test('is listed, refiltered and ended: a list of networks, and strict guests', async () => {
    await thawed(version, 'networks');
    const status = JSON.parse(tool('status', '--json').stdout);
    expect(JSON.stringify(status)).toContain('vmnet1');
    expect(tool('vif').stdout).toMatch(/^mail +vif1\.0 +locked .*\n(.*\n)*vif2\.0 +vif2\.0 +disabled /m);
    net.host.ok('nft', 'delete', 'table', 'bridge', 'xen_network');
    expect(tool('refilter')).toMatchObject({ status: 0, stderr: '' });
    expect(net.host.ok('nft', 'list', 'set', 'bridge', 'xen_network', 'own4')).toContain('192.0.2.51');
    expect(net.host.ok('nft', 'list', 'set', 'bridge', 'xen_network', 'disabled')).toContain('vif2.0');
    for (const [i, hook] of ['vif-bridge', 'vif-bridge', 'vif-route', 'vif-bridge'].entries())
      offline(hook, i + 1);
    net.ok('network-multi-bridge', 'stop');
    await mustBeAsBefore();
  });

  test('is ended without a leftover: entries of DHCP servers', async () => {
    await thawed(version, 'dhcp');
    for (const domid of [1, 2]) offline('vif-nat', domid);
    net.ok('network-virtual', 'stop', 'bridge=vmnet1');
    net.ok('network-nat', 'stop');
    await mustBeAsBefore();
  });

  test('is confirmed, or taken back when its time is over: a start that waits', async () => {
    await thawed(version, 'pending');
    setUptime(net, 200);
    expect(tool('status').stdout).toContain('network-bridge.xenbr0 is undone in 500 s');
    expect(tool('confirm')).toEqual({
      ...FINE,
      stdout: 'network-bridge.xenbr0 is confirmed and stays.\n',
    });
    net.ok('network-bridge', 'stop');
    await mustBeAsBefore();
    await net.host.close();
    await thawed(version, 'pending');
    setUptime(net, 9999);
    expect(tool('recover').stdout).toContain('Nobody confirmed network-bridge.xenbr0 in time');
    await mustBeAsBefore();
  });

  test('is taken back: killed runs of vif hooks and of network-bridge', async () => {
    await thawed(version, 'killed');
    const { status, stdout } = tool('recover');
    expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining('vif1.0') });
    expect(stdout).toContain('An interrupted run of network-bridge was found and taken back.');
    expect(stdout).toContain('What vif2.0 had left on this host was taken away.');
    expect(net.host.ok('sh', '-c', `find ${RUN_FOLDER} -type f ! -path '*/lock/*'`)).toBe('');
    await mustBeAsBefore();
  });

  test('is taken back by the next call: a killed start of network-nat', async () => {
    await thawed(version, 'killed-nat');
    expect(net.host.hook('network-nat', ['stop']).stderr).toContain(
      'An interrupted run of network-nat was found and taken back.',
    );
    await mustBeAsBefore();
  });

  test('is there as a whole', () => {
    for (const name of Object.keys(SCENARIOS))
      expect({ name, is: existsSync(folderOf(version, name)) }).toEqual({ name, is: true });
  });
});

/** The kinds of records, and the calls that need them: "HOOK COMMAND", or that of a guest's card "HOOK COMMAND DOMID". */
const KINDS: Readonly<Record<string, readonly (readonly [file: string, ...calls: string[]])[]>> = {
  networks: [
    [
      SHARED_FILE.slice(RUN_FOLDER.length + 1),
      'network-multi-bridge stop',
      'vif-bridge offline 1',
      'xen-network recover',
    ],
    ['multi-bridge', 'network-multi-bridge stop', 'network-multi-bridge start'],
    ['bridge/xenbr0', 'network-bridge stop', 'network-bridge start', 'xen-network refilter'],
    ['virtual/vmnet1', 'network-virtual stop', 'xen-network refilter'],
    ['strict/mail', 'vif-bridge online 1', 'xen-network refilter', 'xen-network vif'],
    ['vif/vif1.0', 'vif-bridge offline 1', 'vif-bridge online 1', 'xen-network status'],
  ],
  guests: [['nat/eth0', 'network-nat stop', 'network-nat start']],
  pending: [['pending/network-bridge.xenbr0.run', 'network-bridge stop', 'xen-network recover']],
  killed: [
    ['journal/vif1.0', 'vif-bridge online 1', 'vif-bridge offline 1'],
    ['journal/network-bridge', 'network-bridge start', 'network-bridge stop'],
  ],
};

describe.each(Object.entries(KINDS))('after a downgrade, on the host %s,', (name, kinds) => {
  test('what a later version recorded is refused in a sentence, and nothing changes', async () => {
    await thawed(VERSIONS.at(-1) ?? '', name);
    if (name === 'pending') setUptime(net, 200);
    // What a refilter would renew in any case.
    if (name === 'networks') tool('refilter');
    for (const [file, ...calls] of kinds) {
      const path = `${RUN_FOLDER}/${file}`;
      const old = net.host.ok('cat', path);
      net.host.write(path, old.replace(/^\d+ /gm, '99 '));
      const was = withoutNotes(net.host.snapshot());
      for (const call of calls) mustRefuse(call, path);
      expect({ file, ...withoutNotes(net.host.snapshot()) }).toEqual({ file, ...was });
      net.host.write(path, old);
      // The next call would end what an offline was asked to end.
      net.host.ok('sh', '-c', `rm -f ${RUN_FOLDER}/leaving/*`);
    }
  });
});

function mustRefuse(call: string, path: string): void {
  const [hook = '', command = '', domid] = call.split(' ');
  const ran =
    domid === undefined
      ? net.host.hook(hook, [command])
      : net.host.hook(hook, [command, 'type_if=vif'], xlEnv(Number(domid)));
  // xl does not wait for the status of an offline, and the device goes in any case.
  const status = command === 'offline' ? 0 : 1;
  const sentence = `${path} was written by a later version of this program`;
  expect({ call, ...ran }).toMatchObject({ call, status, stderr: expect.stringContaining(sentence) });
  if (command === 'online') expect(net.store.told(Number(domid)).error).toContain(sentence);
}

/** Without the notes that an offline was asked for, by which the later version ends it. */
function withoutNotes(found: Snapshot): Snapshot {
  return {
    ...found,
    files: found['files']?.filter((line) => !line.startsWith('xen-network/leaving/')) ?? [],
  };
}
