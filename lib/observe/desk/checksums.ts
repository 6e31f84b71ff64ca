import type { System } from '../../system/system.ts';

/**
 * The packets that this host received with a wrong checksum, by protocol (Documentation/networking/snmp_counter).
 * @param system the way to /proc/net/snmp
 */
export function readBadChecksums(system: System): Record<string, number> {
  const lines = (system.readText('/proc/net/snmp') ?? '').split('\n').map((line) => line.split(' '));
  const found: Record<string, number> = {};
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [names = [], values = []] = lines.slice(at, at + 2);
    const column = names.indexOf('InCsumErrors');
    const name = names[0]?.replace(':', '');
    if (column > 0 && name !== undefined) found[name] = Number(values[column] ?? 0);
  }
  return found;
}

/**
 * Whether a device leaves the checksums of what it sends to whoever receives it.
 * @param system the way to ethtool
 * @param device the device's name
 * @returns false where ethtool is not installed
 */
export function offloadsChecksums(system: System, device: string): boolean {
  const { stdout } = system.run(['ethtool', '-k', device], { isListing: true });
  return /^tx-checksumming: on/m.test(stdout);
}
