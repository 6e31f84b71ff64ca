import { type Dirent, readdirSync, readFileSync } from 'node:fs';

/**
 * Reads what the files of this process's host tell of its network, as `FILES` in snapshot.ts prints it, without a child.
 * @returns the text of each part, by its name
 */
export function readFiles(): ReadonlyMap<string, string> {
  const parts = { sysctl: sysctl(), files: records(), settings: settings(), running: running() };
  return new Map(Object.entries(parts).map(([name, lines]) => [name, lines.join('\n')]));
}

/** The lines of a file; none where it cannot be read, as a setting that is not set. */
function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').replace(/\n$/, '').split('\n');
  } catch {
    return [];
  }
}

/** Empty where there is no such folder, or none any more. */
function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** All files below a folder, by their paths from the root. */
function below(root: string, folder: string): string[] {
  return entriesOf(`${root}/${folder}`).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? below(root, path) : entry.isFile() ? [path] : [];
  });
}

function sysctl(): string[] {
  const root = '/proc/sys/net';
  const folders = ['ipv4/conf', 'ipv6/conf', 'bridge'].flatMap((folder) => below(root, folder));
  return ['ipv4/ip_forward', ...folders].flatMap((path) =>
    linesOf(`${root}/${path}`)
      .filter(Boolean)
      .map((line) => `${path}:${line}`),
  );
}

function records(): string[] {
  return below('/run', 'xen-network')
    .filter((path) => !/\/lock\/|\.(pid|leases)$/.test(path))
    .flatMap((path) => linesOf(`/run/${path}`).map((line) => `${path}\0${line}`));
}

function settings(): string[] {
  const own = entriesOf('/etc/dnsmasq.d').map(({ name }) => name);
  const named = own.filter((name) => !name.startsWith('.')).sort();
  const files = ['dhcp/dhcpd.conf', 'default/isc-dhcp-server', ...named.map((name) => `dnsmasq.d/${name}`)];
  return files.flatMap((path) => linesOf(`/etc/${path}`)).filter((line) => !/^ *#/.test(line));
}

function running(): string[] {
  return entriesOf('/proc')
    .filter(
      ({ name }) => /^\d+$/.test(name) && /^(dhcpd|dnsmasq)$/.test(linesOf(`/proc/${name}/comm`)[0] ?? ''),
    )
    .flatMap(({ name }) => linesOf(`/proc/${name}/cmdline`).map((line) => line.replaceAll('\0', ' ')));
}
