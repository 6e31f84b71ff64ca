import { afterEach, describe, expect, test } from 'vitest';
import type { Host } from '../../support/hosts/host.ts';
import { createPluggedHost, differences, lookFor, settled } from '../../support/models/bridge-state.ts';
import type { Snapshot } from '../../support/models/snapshot.ts';

const TOPOLOGIES = ['classic', 'rename', 'plain'] as const;

let host: Host;

afterEach(() => host.close());

/** A host whose card is bridged; how it was before. */
async function started(...words: string[]): Promise<Snapshot> {
  host = await createPluggedHost();
  const before = await settled(host);
  expect(host.hook('network-bridge', ['start', ...words])).toMatchObject({ status: 0, stderr: '' });
  return before;
}

/** Renames a device. A kernel before 6.2 renames none that is up, and one that goes down loses addresses. */
function rename(device: string, name: string): void {
  if (host.run(['ip', 'link', 'set', device, 'name', name]).status === 0) return;
  host.ok('sysctl', '-qw', `net.ipv6.conf.${device}.keep_addr_on_down=1`);
  host.ip(`link set ${device} down`, `link set ${device} name ${name}`, `link set ${name} up`);
}

const LABELLED = '203.0.113.9';

function without(state: Snapshot, word: string): Snapshot {
  const kept = Object.entries(state).map(([part, lines]) => [
    part,
    lines.filter((line) => !line.includes(word)),
  ]);
  return Object.fromEntries(kept);
}

async function lacking(before: Snapshot): Promise<string[]> {
  return differences(before, await lookFor(host, before));
}

function attribute(device: string, name: string): string {
  return host.ok('cat', `/sys/class/net/${device}/${name}`).trim();
}

function stop(...words: string[]) {
  return host.hook('network-bridge', ['stop', ...words]);
}

describe('what others did between start and stop', () => {
  test.each(TOPOLOGIES)('%s: the card was taken out of its bridge', async (topology) => {
    const before = await started(`topology=${topology}`);
    const [nic, bridge] = topology === 'plain' ? ['eth0', 'xenbr0'] : ['peth0', undefined];
    host.ip(`link set ${nic} nomaster`);
    const again = host.hook('network-bridge', ['start', 'netdev=eth0', `topology=${topology}`]);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain(
      `${nic} was taken out of ${bridge ?? (topology === 'rename' ? 'eth0' : 'xenbr0')}`,
    );
    const ran = stop();
    expect(ran.status).toBe(0);
    expect(ran.stderr).toContain(`${nic} was taken out of `);
    expect(await lacking(before)).toEqual([]);
  });

  test('classic: the bridge was deleted', async () => {
    const before = await started();
    host.ip('link del xenbr0');
    const ran = stop();
    expect(ran).toMatchObject({ status: 0 });
    expect(ran.stderr).toContain('the bridge xenbr0 was deleted');
    expect(await lacking(before)).toEqual([]);
  });

  test('classic: the bridge was deleted and made anew; that one is left alone', async () => {
    await started();
    host.ip('link del xenbr0');
    host.ip('link add xenbr0 type bridge');
    expect(stop()).toMatchObject({ status: 0 });
    expect(attribute('xenbr0', 'operstate')).toBe('down');
    expect(host.run(['ping', '-c1', '-W2', '192.0.2.1']).status).toBe(0);
  });

  test.each([
    ['classic', 'veth pair', 'vif0.0'],
    ['rename', 'bridge', 'eth0'],
    ['plain', 'bridge', 'xenbr0'],
  ])('%s: the %s went with the addresses', async (topology, _what, device) => {
    await started(`topology=${topology}`);
    host.ip(`link del ${device}`);
    const ran = stop();
    expect(ran.status).toBe(0);
    expect(ran.stderr).toMatch(/which had the host's addresses, was deleted.*192\.0\.2\.10\/24/);
    const addresses = host.ok('ip', '-o', 'address', 'show', 'dev', 'eth0');
    for (const address of ['192.0.2.10/24', '192.0.2.11/24', '2001:db8::10/64'])
      expect(addresses).toContain(address);
    expect(host.ok('cat', '/proc/sys/net/ipv6/conf/eth0/disable_ipv6').trim()).toBe('0');
    expect(host.run(['ping', '-c1', '-W2', '192.0.2.1']).status).toBe(0);
  });

  test('an address that another device has by now is not given twice', async () => {
    await started('topology=plain');
    host.ip('link del xenbr0');
    host.ip('link add other type bridge');
    host.ip('address add 192.0.2.10/24 dev other');
    expect(stop().status).toBe(0);
    expect(host.ok('ip', '-o', 'address', 'show', 'dev', 'eth0')).not.toContain('192.0.2.10/');
  });

  test.each(TOPOLOGIES)('%s: the bridge was renamed', async (topology) => {
    const before = await started(`topology=${topology}`);
    const bridge = topology === 'rename' ? 'eth0' : 'xenbr0';
    rename(bridge, 'br7');
    const again = host.hook('network-bridge', ['start', 'netdev=eth0', `topology=${topology}`]);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain(`${bridge} was renamed br7`);
    expect(stop('netdev=eth0')).toMatchObject({ status: 0 });
    // The kernel gives the second address of a device another label where it is renamed.
    const lost = differences(without(before, LABELLED), without(await settled(host), LABELLED));
    expect(lost).toEqual([]);
  });

  test.each(['rename', 'plain'])(
    '%s: another bridge that the card was put into is left alone',
    async (topology) => {
      await started(`topology=${topology}`);
      host.ip(
        `link del ${topology === 'rename' ? 'eth0' : 'xenbr0'}`,
        'link add br7 type bridge',
        `link set ${topology === 'rename' ? 'peth0' : 'eth0'} master br7`,
      );
      const ran = stop('netdev=eth0');
      expect(ran.status).toBe(1);
      expect(ran.stderr).toContain('belongs to br7 by now');
      expect(host.ok('ip', 'link', 'show', 'br7')).toContain('br7');
    },
  );

  test('the port was renamed', async () => {
    const before = await started();
    host.ip('link set peth0 down');
    host.ip('link set peth0 name lan0');
    host.ip('link set lan0 up');
    expect(stop()).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await lacking(before)).toEqual([]);
  });

  test('recover puts back what is left, too, and says what was wrong', async () => {
    const before = await started();
    expect(host.hook('xen-network', ['recover']).stdout).toContain('nothing to take back');
    host.ip('link del xenbr0');
    const ran = host.hook('xen-network', ['recover']);
    expect(ran.status).toBe(0);
    expect(ran.stdout).toContain('the bridge xenbr0 was deleted');
    expect(ran.stdout).toContain('eth0 is off the bridge xenbr0.');
    expect(await lacking(before)).toEqual([]);
  });

  test("the host's own port was taken out of the bridge", async () => {
    const before = await started();
    host.ip('link set vif0.0 nomaster');
    const again = host.hook('network-bridge', ['start']);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain('vif0.0 was taken out of xenbr0');
    expect(stop().stderr).toContain('vif0.0 was taken out of xenbr0');
    expect(await lacking(before)).toEqual([]);
  });

  test('the driver of the card was loaded anew', async () => {
    await started();
    const mac = attribute('eth0', 'address');
    host.ip('link del peth0');
    host.ip(`link add lan7 address ${mac} type veth peer name lan7wire`);
    expect(stop().status).toBe(0);
    const addresses = host.ok('ip', '-o', 'address', 'show', 'dev', 'eth0');
    expect(addresses).toContain('192.0.2.10/24');
    expect(host.run(['ip', 'link', 'show', 'xenbr0']).status).not.toBe(0);
  });

  test('the card belongs to another bridge: nothing is touched, and it is said', async () => {
    await started();
    host.ip('link add br9 type bridge');
    host.ip('link set peth0 master br9');
    const ran = stop();
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('peth0 was taken out of xenbr0 and belongs to br9 by now.');
    expect(attribute('peth0', 'master/uevent')).toContain('INTERFACE=br9');
  });

  test.each(TOPOLOGIES)('%s: MTU and MAC address are others by now', async (topology) => {
    await started(`topology=${topology}`);
    const top = topology === 'plain' ? 'xenbr0' : 'eth0';
    host.ip(`link set ${top} mtu 1400`);
    host.ip(`link set ${top} address 00:16:3e:00:00:77`);
    expect(stop().status).toBe(0);
    expect(attribute('eth0', 'mtu')).toBe('1400');
    expect(attribute('eth0', 'address')).toBe('00:16:3e:00:00:77');
  });

  test.each(TOPOLOGIES)('%s: the addresses went, and the routes by gateways stayed', async (topology) => {
    await started(`topology=${topology}`);
    const [, dev = ''] = / dev (\S+)/.exec(host.ok('ip', 'route', 'get', '192.0.2.1')) ?? [];
    const gateways = () =>
      [4, 6].flatMap((family) =>
        [...host.ok('ip', `-${family}`, 'route').matchAll(/^default via (?!fe80)(\S+) dev (\S+)/gm)].map(
          ([, via, by]) => `${via} ${by}`,
        ),
      );
    host.ok('ip', '-6', 'address', 'flush', 'dev', dev, 'scope', 'global');
    host.ip(`address add 203.0.113.7/32 dev ${dev}`, `address del 192.0.2.10/24 dev ${dev}`);
    const before = gateways();
    expect(before).not.toEqual([]);
    expect(stop()).toMatchObject({ status: 0, stderr: '' });
    expect(gateways()).toEqual(before.map((each) => each.replace(/\S+$/, 'eth0')));
  });

  test('a host that was taken down stays down', async () => {
    await started();
    host.ip('link set eth0 down');
    expect(stop().status).toBe(0);
    expect(host.ok('ip', '-o', 'link', 'show', 'dev', 'eth0')).not.toMatch(/[<,]UP[,>]/);
  });
});

describe('a card called by another name', () => {
  test.each(TOPOLOGIES)('%s: start, start again and stop', async (topology) => {
    host = await createPluggedHost();
    host.ip('link property add dev eth0 altname enp3s0');
    const words = ['netdev=enp3s0', `topology=${topology}`];
    expect(host.hook('network-bridge', ['start', ...words]).status).toBe(0);
    expect(host.hook('network-bridge', ['start', ...words])).toMatchObject({ status: 0, stderr: '' });
    expect(stop(...words).status).toBe(0);
    expect(host.run(['ip', 'link', 'show', topology === 'rename' ? 'peth0' : 'xenbr0']).status).not.toBe(0);
  });
});
