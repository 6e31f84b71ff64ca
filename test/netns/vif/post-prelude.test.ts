import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Host, xlEnv } from '../../support/hosts/host.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

const HOOK = '/etc/xen/scripts/vif-post.d/10-published.hook';
const BACKEND = '/local/domain/0/backend/vif/1/0';

let vif: VifHost;
let host: Host;

beforeAll(async () => {
  vif = await VifHost.create();
  host = vif.host;
  host.nic('eth0', { address: '192.0.2.2/24', gateway: '192.0.2.1' });
});

afterAll(() => host.close());

beforeEach(() => {
  vif.reset();
  vif.card(1, { ip: '192.0.2.7', mac: '00:16:3e:01:02:03' });
  host.ok('rm', '-f', '/run/post.log');
});

/** Brings a guest online with a hook that writes into a file, and gives the file's lines. */
function shown(...lines: readonly string[]): string[] {
  host.write(HOOK, `exec >/run/post.log\n${lines.join('\n')}\n`, '755');
  expect(vif.online(1)).toMatchObject({ status: 0, stderr: '' });
  return host.ok('cat', '/run/post.log').split('\n').filter(Boolean);
}

/** Brings a guest online with a hook that fails, and gives what xl is told. */
function failure(...lines: readonly string[]): string {
  host.write(HOOK, `${lines.join('\n')}\n`, '755');
  expect(vif.online(1).status).toBe(1);
  expect(vif.store.told(1).status).toBe('error');
  return vif.store.told(1).error ?? '';
}

/** The names that published hooks call. */
const FUNCTIONS = [
  ...['log', 'fatal', 'sigerr', 'success', 'do_or_die', 'do_without_error', 'evalVariables'],
  ...['xenstore_read', 'xenstore_read_default', 'xenstore_write', '_xenstore_write'],
  ...['ip_of', 'dom0_ip', 'iptables_w', 'frob_iptable', 'handle_iptable', 'rename_vif', 'set_mtu'],
  ...['create_bridge', 'add_to_bridge', 'remove_from_bridge'],
  ...['setup_bridge_port', 'setup_virtual_bridge_port', 'setup_physical_bridge_port'],
  ...['first_file', 'find_dhcpd_conf_file', 'find_dhcpd_init_file', 'find_dhcpd_arg_file'],
  ...['claim_lock', 'release_lock', 'call_hooks'],
];

describe('a published post hook', () => {
  test('finds every function', () => {
    expect(shown(`for f in ${FUNCTIONS.join(' ')}; do type -t $f || echo $f; done`)).toEqual(
      FUNCTIONS.map(() => 'function'),
    );
  });

  test.each([
    ['vif-bridge', 'bridge', ['bridge']],
    ['vif-route', 'main_ip metric', ['main_ip', 'metric']],
    ['vif-nat', 'vif_ip router_ip', ['vif_ip', 'router_ip']],
  ])('finds the variables: %s, %s', (hook, _own, own) => {
    const common = ['dir', 'netdev', 'script', 'dev', 'vif', 'command', 'ip', 'type_if'];
    const names = [...common, 'XENBUS_PATH', 'XENBUS_BASE_PATH', ...own];
    const text = `for v in ${names.join(' ')}; do [ -n "\${!v}" ] || echo $v; done >/run/post.log\n`;
    host.write(HOOK, text, '755');
    vif.card(1, { ip: '198.51.100.7', mac: '00:16:3e:01:02:03' });
    const env = xlEnv(1, 0, { netdev: 'eth0' });
    const words = ['type_if=vif', ...(hook === 'vif-nat' ? ['dhcp=no'] : [])];
    expect(host.hook(hook, ['online', ...words], env)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(host.ok('cat', '/run/post.log')).toBe('');
    expect(host.hook(hook, ['offline', ...words], env).status).toBe(0);
  });

  test('asks xenstore and tells it', () => {
    const lines = shown(
      'xenstore_read "$XENBUS_PATH/mac"',
      'xenstore_read_default "$XENBUS_PATH/nosuch" "by default"',
      'xenstore_read_default "$XENBUS_PATH/ip" other',
      'xenstore_write "$XENBUS_PATH/one" "a b" "$XENBUS_PATH/two" 2',
      '_xenstore_write "$XENBUS_PATH/three" 3',
      'xenstore_write "$XENBUS_PATH/hotplug-status" ""; success; xenstore_read "$XENBUS_PATH/hotplug-status"',
    );
    expect(lines).toEqual(['00:16:3e:01:02:03', 'by default', '192.0.2.7', 'connected']);
    expect(['one', 'two', 'three'].map((key) => vif.store.read(`${BACKEND}/${key}`))).toEqual([
      'a b',
      '2',
      '3',
    ]);
  });

  test.each([
    ['what xenstore has not', 'xenstore_read "$XENBUS_PATH/nosuch"', 'nosuch failed'],
    [
      'a command that has to work',
      'do_or_die ip link set dev nosuch0 up',
      'ip link set dev nosuch0 up failed',
    ],
    ['its own word', 'fatal "no more rules"', 'no more rules'],
    ['any command', ':\n:\nip link set dev nosuch0 up 2>/dev/null', '10-published.hook failed in line 3'],
    ['the address of a card that has none', 'netdev=lo0\ndom0_ip', 'lo0 has no IPv4 address'],
  ])('ends at %s', (_what, text, said) => {
    expect(failure(text)).toContain(said);
  });

  test('goes on where an error is none', () => {
    expect(shown('do_without_error ip link set dev nosuch0 up', 'log info "a word"', 'echo on')).toEqual([
      'on',
    ]);
  });

  test('takes variables from words, and evaluates nothing', () => {
    const lines = shown(
      "evalVariables one=1 'two=a b=c' '$(touch /run/evaluated)' 'three=$(touch /run/evaluated)' -x=4",
      'printf "%s\\n" "$one" "$two" "$three"',
    );
    expect(lines).toEqual(['1', 'a b=c', '$(touch /run/evaluated)']);
    expect(host.run(['test', '-e', '/run/evaluated']).status).toBe(1);
  });

  test('learns the host’s address', () => {
    expect(shown('ip_of eth0', 'netdev=eth0; dom0_ip')).toEqual(['192.0.2.2', '192.0.2.2']);
  });

  test('makes rules for its device, and takes them off again', () => {
    shown('frob_iptable -s 198.51.100.9', 'handle_iptable', 'rename_vif', 'iptables_w -S FORWARD');
    const own = () => vif.forward().filter((line) => /198\.51\.100\.9/.test(line));
    expect(own()).toEqual([
      '-A FORWARD -s 198.51.100.9/32 -m physdev --physdev-in vif1.0 --physdev-is-bridged -j ACCEPT',
    ]);
    expect(vif.offline(1)).toMatchObject({ status: 0 });
    expect(vif.forward()).toEqual(['-P FORWARD ACCEPT']);
  });

  test('makes bridges and ports', () => {
    host.ip(
      'tuntap add dev tap7 mode tap',
      'address add 198.51.100.1/24 dev tap7',
      'link set xenbr0 mtu 1400',
    );
    const lines = shown(
      'create_bridge xenbr7; create_bridge xenbr7',
      'setup_virtual_bridge_port tap7; set_mtu xenbr0 tap7; add_to_bridge xenbr7 tap7',
      'cd /sys/class/net/tap7; readlink master; cat mtu address; ip -4 -o address show dev tap7',
      'remove_from_bridge xenbr7 tap7; [ ! -e master ] && echo away',
      'ip link set dev tap7 down; setup_physical_bridge_port tap7; ip -o link show dev tap7 up | grep -c tap7',
      'cat /sys/class/net/xenbr7/bridge/stp_state; ip link del dev xenbr7; ip link del dev tap7',
    );
    expect(lines).toEqual(['../xenbr7', '1400', 'fe:ff:ff:ff:ff:ff', 'away', '1', '0']);
  });

  test('finds files', () => {
    host.write('/etc/dhcp/dhcpd.conf', '\n');
    host.write('/etc/default/isc-dhcp-server', '\n');
    host.write('/etc/init.d/isc-dhcp-server', '#!/bin/sh\n', '755');
    const lines = shown(
      'first_file -d /nosuch /etc/passwd /etc /run',
      'first_file -f /nosuch || echo none',
      'find_dhcpd_conf_file; find_dhcpd_init_file; find_dhcpd_arg_file',
    );
    expect(lines).toEqual([
      '/etc',
      'none',
      '/etc/dhcp/dhcpd.conf',
      '/etc/init.d/isc-dhcp-server',
      '/etc/default/isc-dhcp-server',
    ]);
  });

  test('has a lock to itself until it lets go', () => {
    const lock = '/var/run/xen-hotplug/published';
    const lines = shown(
      'claim_lock published',
      `flock -n ${lock} echo free || echo held`,
      'release_lock published',
      `flock -n ${lock} echo free`,
      'claim_lock published; release_lock published',
    );
    expect(lines).toEqual(['held', 'free']);
  });

  test('calls hooks of its own, and not itself', () => {
    host.write('/etc/xen/scripts/mine-post.d/1.hook', 'echo "mine $dev"\n', '755');
    host.write('/etc/xen/scripts/mine-post.d/2.hook', 'echo off\n', '644');
    expect(shown('call_hooks mine post', 'call_hooks vif post', 'echo on')).toEqual(['mine vif1.0', 'on']);
  });
});
