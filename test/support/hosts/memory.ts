import { createFsFromVolume, Volume } from 'memfs';
import type { FileSystem } from '../../../lib/system/files/files.ts';
import { nodeNative } from '../../../lib/system/node/native-node.ts';
import { openSystem, type System } from '../../../lib/system/system.ts';

/** A host of nothing but files, kept in memory. */
export interface MemoryHost {
  readonly system: System;
  /** Every file with its text. */
  files(): Record<string, string | null>;
}

/** A network device for a made-up sysfs. */
export interface MemoryDevice {
  readonly index?: number;
  readonly mtu?: number;
  readonly alias?: string;
  readonly bridge?: true;
  /** The backend's name on the Xen bus. */
  readonly backend?: string;
}

/**
 * Makes a host of files.
 * @param files their text by path
 * @param devices network devices by name, as sysfs shows them
 */
export function memoryHost(
  files: Readonly<Record<string, string>> = {},
  devices: Readonly<Record<string, MemoryDevice>> = {},
): MemoryHost {
  const volume = Volume.fromJSON({ '/sys/class/net/lo/ifindex': '1\n', ...files });
  for (const [i, [name, device]] of Object.entries(devices).entries()) {
    const folder = `/sys/class/net/${name}`;
    const text = {
      ifindex: device.index ?? i + 2,
      mtu: device.mtu ?? 1500,
      flags: '0x1003',
      address: '02:00:00:00:00:01',
    };
    volume.fromJSON({ ...sysfs(folder, text), [`${folder}/ifalias`]: `${device.alias ?? ''}\n` });
    if (device.bridge) volume.mkdirSync(`${folder}/bridge`);
    if (device.backend !== undefined) volume.symlinkSync(`../../../${device.backend}`, `${folder}/device`);
  }
  // Folders made with a file are open to everybody in memfs.
  const own = ['/run/xen-network', ...(volume.existsSync('/run/xen-network') ? foldersIn(volume) : [])];
  for (const folder of own.filter((path) => volume.existsSync(path))) volume.chmodSync(folder, 0o755);
  // The types of memfs differ from node's in what no hook uses.
  const fs = createFsFromVolume(volume) as unknown as FileSystem;
  return { system: openSystem(nodeNative, fs), files: () => volume.toJSON() };
}

function foldersIn(volume: Volume): string[] {
  const names = volume.readdirSync('/run/xen-network').map(String);
  return names
    .map((name) => `/run/xen-network/${name}`)
    .filter((path) => volume.statSync(path).isDirectory());
}

function sysfs(folder: string, values: Readonly<Record<string, string | number>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${folder}/${name}`, `${value}\n`]),
  );
}
