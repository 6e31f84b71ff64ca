import { join } from 'node:path';
import type { Host } from './hosts/host.ts';
import type { Namespace } from './hosts/namespace.ts';
import { waitUntil } from './wait.ts';

// The switch in user space, by hand: its own scripts look for systemd and the kernel's module.
const START = `
set -e
mkdir -p /run/openvswitch
ovsdb-tool create /run/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server /run/openvswitch/conf.db --remote=punix:/run/openvswitch/db.sock --pidfile --detach --no-chdir \
  --log-file=/run/openvswitch/db.log 2>/dev/null
ovs-vsctl --no-wait init
ovs-vswitchd --pidfile --detach --no-chdir --log-file=/run/openvswitch/vswitchd.log 2>/dev/null
for bridge in "$@"; do ovs-vsctl add-br "$bridge" -- set bridge "$bridge" datapath_type=netdev; done
`;

/**
 * Starts Open vSwitch in a host, which ends with it.
 * @param host where
 * @param bridges the bridges that it is to have
 */
export function startOpenVswitch(host: Host, ...bridges: string[]): void {
  host.ok('sh', '-c', START, 'sh', ...bridges);
}

// As one that was built for another folder.
const BUILT_ELSEWHERE = `#!/bin/sh
[ -d /run/openvswitch ] || export OVS_RUNDIR=/run/elsewhere
exec /run/kernel/ovs-vsctl "$@"
`;

/** While this file is there, the switch that stands in for the kernel's takes no devices. */
export const TAKES_NONE = '/run/kernel/off';

/**
 * Puts a Linux bridge in the place of the kernel's switch, which the kernel of a test's machine may lack: a port's frames
 * come to both by the same way, after the ingress hook of its device. The database and the daemon are real.
 * @param host where Open vSwitch runs and a bridge has the name ovs-system
 */
export async function standInForKernel(host: Host): Promise<void> {
  const real = host.ok('sh', '-c', 'command -v ovs-vsctl').trim();
  host.ok('sh', '-c', `mkdir -p /run/kernel; cp ${real} /run/kernel/ovs-vsctl`);
  host.write('/run/kernel/built-elsewhere', BUILT_ELSEWHERE, '755');
  host.ok('mount', '--bind', '/run/kernel/built-elsewhere', real);
  const [socket, database] = ['/run/openvswitch/db.sock', '/run/kernel/db.sock'];
  host.ok('mv', socket, database);
  host.start(['python3', join(import.meta.dirname, 'kernel/switch.py'), socket, database, TAKES_NONE]);
  await waitUntil('the switch in the kernel’s place', () => host.run(['test', '-S', socket]).status === 0);
}

/**
 * The ports of all switches with their settings, as text that can be compared; the switch's own numbers left out.
 * @param host where
 */
export function switchPorts(host: Namespace): string {
  const tables = {
    bridge: 'name,ports',
    port: '_uuid,name,tag,trunks,vlan_mode',
    interface: 'name,external_ids',
  };
  const lists = Object.entries(tables).flatMap(([table, columns]) => [
    '--',
    `--columns=${columns}`,
    'list',
    table,
  ]);
  const [bridges = [], ports = [], interfaces = []] = host
    .ok('ovs-vsctl', '--format=json', ...lists)
    .trim()
    .split('\n')
    .map(rowsOf);
  const names = new Map(ports.map(([uuid, name]) => [JSON.stringify(uuid), `${name}`]));
  const members = bridges.map(([bridge, all]) => {
    const uuids = JSON.stringify(all).match(/\["uuid","[^"]*"\]/g) ?? [];
    const others = uuids.map((uuid) => names.get(uuid)).filter((name) => name !== bridge);
    return `${bridge}: ${others.sort().join(' ')}`;
  });
  const texts = (rows: readonly unknown[][]) => rows.map((row) => JSON.stringify(row)).sort();
  return [...members.sort(), ...texts(ports.map(([_uuid, ...port]) => port)), ...texts(interfaces)].join(
    '\n',
  );
}

/** The rows of a table that ovs-vsctl printed as JSON. */
function rowsOf(json: string): unknown[][] {
  const listing: unknown = JSON.parse(json);
  const rows = typeof listing === 'object' && listing !== null && 'data' in listing ? listing.data : [];
  return Array.isArray(rows) ? rows.filter(Array.isArray) : [];
}

/**
 * Takes all ports but their own off the switches.
 * @param host where
 */
export function clearSwitches(host: Host): void {
  host.ok(
    'sh',
    '-c',
    'for b in $(ovs-vsctl list-br); do for p in $(ovs-vsctl list-ports $b); do ovs-vsctl del-port $p; done; done',
  );
}
