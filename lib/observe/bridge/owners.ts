import type { System } from '../../system/system.ts';
import { wordsOf } from '../host/service.ts';
import { otherOwners } from './uplink.ts';

const NETDEV_FOLDERS = [
  '/etc/systemd/network',
  '/run/systemd/network',
  '/usr/local/lib/systemd/network',
  '/usr/lib/systemd/network',
];
const CONNECTION_FOLDERS = [
  '/etc/NetworkManager/system-connections',
  '/run/NetworkManager/system-connections',
];
const LIBVIRT_FOLDERS = ['/run/libvirt/network', '/etc/libvirt/qemu/networks/autostart'];

/**
 * The other programs that make or manage a bridge: a sentence for each, with the way to stop it. The configuration of a
 * manager that does not run does not count.
 * @param system the way to their files
 * @param bridge the bridge's name
 * @param index its index, where it exists already
 */
export function bridgeOwners(system: System, bridge: string, index: number | undefined): string[] {
  const live = index === undefined ? [] : otherOwners(system, bridge, index);
  if (live.length > 0) return live;
  return [...byNetworkd(system, bridge), ...byNetworkManager(system, bridge), ...byLibvirt(system, bridge)];
}

function byNetworkd(system: System, bridge: string): string[] {
  if (!system.exists('/run/systemd/netif')) return [];
  const file = filesIn(system, NETDEV_FOLDERS, '.netdev').find(
    ({ text }) => hasLine(text, 'Name', bridge) && hasLine(text, 'Kind', 'bridge'),
  );
  return file === undefined
    ? []
    : [
        `systemd-networkd makes the bridge ${bridge} by ${file.path}. Remove that file, or name another bridge=.`,
      ];
}

function byNetworkManager(system: System, bridge: string): string[] {
  if (!system.exists('/run/NetworkManager')) return [];
  const file = filesIn(system, CONNECTION_FOLDERS, '.nmconnection').find(
    ({ text }) => hasLine(text, 'interface-name', bridge) && hasLine(text, 'type', 'bridge'),
  );
  return file === undefined
    ? []
    : [
        `NetworkManager makes the bridge ${bridge} by ${file.path}. Delete that connection (nmcli connection delete), or name another bridge=.`,
      ];
}

/** A libvirt network that forwards by a bridge only joins that bridge; any other makes it. */
function byLibvirt(system: System, bridge: string): string[] {
  const file = filesIn(system, LIBVIRT_FOLDERS, '.xml').find(({ text }) => {
    const names = [...text.matchAll(/<bridge\b[^>]*\bname=(["'])([^"']*)\1/g)].map(([, , name]) => name);
    return names.includes(bridge) && !/<forward\b[^>]*\bmode=(["'])bridge\1/.test(text);
  });
  if (file === undefined) return [];
  const network = file.path.replace(/^.*\//, '').replace(/\.xml$/, '');
  return [
    `libvirt makes the bridge ${bridge} for its network ${network}. Give that up (virsh net-destroy ${network}; virsh net-autostart --disable ${network}), or name another bridge=.`,
  ];
}

function filesIn(
  system: System,
  folders: readonly string[],
  ending: string,
): { readonly path: string; readonly text: string }[] {
  return folders
    .flatMap((folder) => system.list(folder).map((name) => `${folder}/${name}`))
    .filter((path) => path.endsWith(ending) && system.kindOf(path) === 'file')
    .map((path) => ({ path, text: system.readText(path) ?? '' }));
}

function hasLine(text: string, key: string, value: string): boolean {
  return text.split('\n').some((line) => {
    const at = line.indexOf('=');
    return line.slice(0, at).trim() === key && line.slice(at + 1).trim() === value;
  });
}

/**
 * The process of a xend on this host, which starts and stops the network itself.
 * @param system the way to /proc
 * @returns its process id; undefined where none runs
 */
export function xendProcess(system: System): number | undefined {
  const network = (pid: number | string) => system.linkTarget(`/proc/${pid}/ns/net`);
  const nameOf = (word = '') => word.slice(word.lastIndexOf('/') + 1);
  // A script's command line is its interpreter's, python /usr/sbin/xend; one of a shell belongs to an init script.
  const isXend = ([first, second]: readonly string[]) =>
    nameOf(first) === 'xend' || (/^python[\d.]*$/.test(nameOf(first)) && nameOf(second) === 'xend');
  return system
    .list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => isXend(wordsOf(system, pid)) && network(pid) === network('self'));
}
