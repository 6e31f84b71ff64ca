import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Host } from '../support/hosts/host.ts';
import { NetHost } from '../support/hosts/net-host.ts';
import type { Snapshot } from '../support/models/snapshot.ts';

// What a released build leaves on a host, frozen: made by that build (freeze.ts), and never changed. A folder for each
// version has one for each scenario.

/** The versions of which there is something. */
export const VERSIONS: readonly string[] = readdirSync(import.meta.dirname).filter((name) =>
  /^\d/.test(name),
);
const RUN = '/run/xen-network';
const STORE = '/local/domain/0/backend/vif';
/** Files that hooks change beside their records; frozen where they do. */
const EDITED = ['/etc/dhcp/dhcpd.conf', '/etc/default/isc-dhcp-server', '/etc/network/interfaces'];

/** A host on which hooks are called, and what it had before. */
export interface Scenario {
  /** Gives the host what is there before any hook: cards, guests, files. */
  readonly prepare: (net: NetHost) => void;
  /** Calls the hooks. */
  readonly make: (net: NetHost) => void | Promise<void>;
}

/**
 * The folder of a frozen host.
 * @param version of the build that made it
 * @param name of the scenario
 */
export function folderOf(version: string, name: string): string {
  return join(import.meta.dirname, version, name);
}

/**
 * A host as a released build left it.
 * @param version of the build
 * @param name of the scenario
 * @param scenario what was there before
 * @param look called before anything of that build is there
 * @throws Error where this machine refuses a part of it
 */
export async function thaw(
  version: string,
  name: string,
  { prepare }: Scenario,
  look: (net: NetHost) => void | Promise<void> = () => {},
): Promise<NetHost> {
  const folder = folderOf(version, name);
  const text = (file: string) => readFileSync(join(folder, file), 'utf8');
  const net = await NetHost.create();
  const { host } = net;
  prepare(net);
  await look(net);
  const entries = [...text('xenstore').matchAll(/^(\/\S+) = "(.*)"$/gm)].filter(
    ([, , value]) => value !== '',
  );
  if (entries.length > 0)
    net.store.write(Object.fromEntries(entries.map(([, path = '', value = '']) => [path, value])));
  host.ip(...lines(text('links')));
  for (const [tool, file] of [
    ['iptables-restore', 'iptables'],
    ['ip6tables-restore', 'ip6tables'],
    ['nft', 'tables.nft'],
  ] as const)
    restore(host, tool, text(file));
  for (const path of filesIn(join(folder, 'run'))) host.write(`${RUN}/${path}`, text(`run/${path}`));
  for (const path of filesIn(join(folder, 'etc'))) host.write(`/etc/${path}`, text(`etc/${path}`));
  host.ok('sh', '-c', `chmod -R go-w ${RUN}`);
  for (const line of lines(text('settings'))) {
    const [path = '', value = ''] = line.split(' = ');
    host.ok('sh', '-c', 'echo "$2" >"/proc/sys/net/$1"', 'sh', path, value);
  }
  for (const line of lines(text('servers'))) host.ok('sh', '-c', line);
  return net;
}

/**
 * Freezes what is on a host.
 * @param net the host, after the hooks
 * @param folder where to
 * @param before the host before the hooks
 */
export function freeze({ host, store }: NetHost, folder: string, before: Snapshot): void {
  const put = (file: string, text: string) => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  };
  const plain = (text: string) => text.replace(/^#.*\n/gm, '').replace(/\[\d+:\d+\]/g, '[0:0]');
  put('iptables', plain(host.ok('iptables-save')));
  put('ip6tables', plain(host.ok('ip6tables-save')));
  const tables = lines(host.ok('nft', 'list', 'tables')).filter((line) => !/^table (ip|ip6) /.test(line));
  put('tables.nft', tables.map((line) => host.ok('nft', 'list', ...line.split(' '))).join(''));
  put('xenstore', `${store.list(STORE).join('\n')}\n`);
  const kept = host.run([
    'sh',
    '-c',
    `cd ${RUN} && find . -type f ! -path './lock/*' ! -name '*.pid' ! -name '*.leases'`,
  ]);
  for (const path of lines(kept.stdout)) put(join('run', path), host.ok('cat', join(RUN, path)));
  for (const path of EDITED) {
    const found = host.run(['cat', path]);
    const outside = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
    if (found.status === 0 && found.stdout !== outside) put(path.slice(1), found.stdout);
  }
  const now = host.snapshot();
  const fresh = (now['sysctl'] ?? []).filter((line) => before['sysctl']?.includes(line) !== true);
  // These two come first, since they change the settings of devices.
  const first = ['ipv6/conf/all/forwarding', 'ipv4/ip_forward'].map(
    (path) => `${path} = ${host.ok('cat', `/proc/sys/net/${path}`).trim()}`,
  );
  put('settings', [...new Set([...first, ...fresh])].map((line) => `${line}\n`).join(''));
  put('servers', host.run(['ps', '-o', 'args=', '-C', 'dhcpd,dnsmasq']).stdout);
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      statSync(join(folder, name)).isFile(),
    );
  } catch {
    return [];
  }
}

function restore(host: Host, tool: string, rules: string): void {
  if (rules.trim() === '') return;
  const ran = host.run([tool, ...(tool === 'nft' ? ['-f', '-'] : [])], { input: rules });
  if (ran.status !== 0 || ran.stderr !== '') throw new Error(`${tool}: ${ran.stderr}`);
}
