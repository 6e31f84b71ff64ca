import type { Namespace } from '../hosts/namespace.ts';
import { readFiles } from './read-files.ts';

/** The state of a host's network, by topic, as sorted lines that can be compared and read. */
export type Snapshot = Readonly<Record<string, readonly string[]>>;

/**
 * What every script of parts begins with: `part NAME COMMAND` runs a command as the part of that name; a tool that is missing
 * prints nothing.
 */
const PART = `part() { echo "=== $1"; shift; "$@" 2>/dev/null; }
`;

// Children are few, since a matrix of thousands of pairs looks tens of times at each: devices come with their addresses, a
// family's routes, rules and proxies in one go, and the legacy tables are asked for where there are any.
const PROGRAMS = `
part devices ip -j -d address
list() { printf 'route show table all\\nrule\\nneigh show proxy\\n' | ip -j "$1" -batch -; }
part inet list -4
part inet6 list -6
part iptables iptables-nft-save
part ip6tables ip6tables-nft-save
legacy() { ! read -r table </proc/net/"$1"_tables_names || "$1"tables-legacy-save; }
part iptables-legacy legacy ip
part ip6tables-legacy legacy ip6
`;

// What files tell; `read-files.ts` reads the same without a child.
const FILES = `
cd /proc/sys/net && part sysctl grep -rs . ipv4/ip_forward ipv4/conf ipv6/conf bridge
cd /run && part files find xen-network -type f -not -path '*/lock/*' -not -name '*.pid' -not -name '*.leases' \
  '(' -empty -printf '%p \\n' -o -exec grep -aHZ '' {} + ')'
settings() {
  set -- dhcp/dhcpd.conf default/isc-dhcp-server dnsmasq.d/*
  for file; do [ ! -f "$file" ] || set -- "$@" "$file"; shift; done
  [ $# = 0 ] || grep -hv '^ *#' "$@"
}
running() {
  for process in /proc/[0-9]*; do
    read -r name <"$process/comm" || continue
    case $name in dhcpd | dnsmasq) tr '\\0' ' ' <"$process/cmdline"; echo ;; esac
  done
}
cd /etc && part settings settings
part running running
`;

/** Settings that are no setting: the kernel counts or derives them. */
const DERIVED = /^(mc_forwarding|mtu|stable_secret)$/;

/**
 * Runs a script of parts in one go.
 * @param host where
 * @param script lines such as `part links ip link`
 * @returns what each part printed, by its name
 */
export function partsOf(host: Namespace, script: string): ReadonlyMap<string, string> {
  const parts = new Map<string, string>();
  for (const part of host.ok('sh', '-c', `${PART}${script}\nexit 0`).split(/^=== /m).slice(1)) {
    const end = part.indexOf('\n');
    parts.set(part.slice(0, end), part.slice(end + 1));
  }
  return parts;
}

/**
 * Looks at everything of a host's network that a hook may change, and leaves out what changes by itself: indexes,
 * counters, remaining lifetimes, carrier.
 * @param host whose network
 */
export function takeSnapshot(host: Namespace): Snapshot {
  return snapshotOf(partsOf(host, PROGRAMS + FILES));
}

/**
 * Takes a snapshot of the host in which this process runs, and more parts in one go; with fewer children.
 * @param here that host
 * @param script lines such as `part links ip link`
 * @returns the snapshot, and what each part printed, by its name
 */
export function snapshotAndParts(
  here: Namespace,
  script: string,
): { readonly snapshot: Snapshot; readonly parts: ReadonlyMap<string, string> } {
  const parts = partsOf(here, PROGRAMS + script);
  return { snapshot: snapshotOf(new Map([...parts, ...readFiles()])), parts };
}

function snapshotOf(parts: ReadonlyMap<string, string>): Snapshot {
  const text = (name: string) => parts.get(name) ?? '';
  const lines = (name: string) => text(name).split('\n').filter(Boolean);
  const [devices, inet, inet6] = [objects(text('devices')), lines('inet'), lines('inet6')];
  const [[routes4 = '', rules4 = ''], [routes6 = '', rules6 = '', proxies = '']] = [inet, inet6];
  return {
    links: devices.map(linkText).sort(),
    addresses: devices.flatMap(addressTexts),
    routes: [...routeTexts('inet', routes4), ...routeTexts('inet6', routes6)],
    proxies: objects(proxies)
      .map((proxy) => JSON.stringify(sorted(proxy)))
      .sort(),
    rules: [...objects(rules4), ...objects(rules6)].map((rule) => JSON.stringify(sorted(rule))),
    iptables: tableLines(text('iptables')),
    ip6tables: tableLines(text('ip6tables')),
    'iptables-legacy': tableLines(text('iptables-legacy')),
    'ip6tables-legacy': tableLines(text('ip6tables-legacy')),
    sysctl: sysctlLines(text('sysctl')),
    servers: [...lines('settings'), ...lines('running').map((line) => line.trim())],
    // A record that was typed off a dry run has no seal, and is worth the same.
    files: lines('files')
      .map((line) => line.replace('\0', ' ').replace(/^(\S+) \d+ [0-9a-f]{8} /, '$1 '))
      .sort(),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objects(json: string): Fields[] {
  const value: unknown = json.trim() === '' ? [] : JSON.parse(json);
  return Array.isArray(value)
    ? value.filter(isFields).filter((fields) => Object.keys(fields).length > 0)
    : [];
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function sorted(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const LINK_FLAGS = ['UP', 'NOARP', 'PROMISC', 'ALLMULTI', 'NOMULTICAST'];

function linkText(link: Fields): string {
  const flags = list(link['flags']);
  const info = isFields(link['linkinfo']) ? link['linkinfo'] : {};
  const data = isFields(info['info_data']) ? info['info_data'] : {};
  const bridge =
    info['info_kind'] === 'bridge'
      ? ['stp_state', 'forward_delay', 'vlan_filtering'].map((key) => `${key} ${data[key]}`)
      : [];
  const altnames = list(link['altnames']).map(String).sort();
  return [
    link['ifname'],
    info['info_kind'] ?? link['link_type'],
    link['address'],
    `mtu ${link['mtu']}`,
    ...LINK_FLAGS.filter((flag) => flags.includes(flag)),
    ...(link['master'] === undefined ? [] : [`master ${link['master']}`]),
    ...(altnames.length === 0 ? [] : [`altnames ${altnames.join()}`]),
    ...(link['ifalias'] === undefined ? [] : [`alias "${link['ifalias']}"`]),
    ...bridge,
  ].join(' ');
}

const FOREVER = 4294967295;

function lifetime(seconds: unknown): string {
  if (seconds === FOREVER) return 'forever';
  return seconds === 0 ? '0' : 'limited';
}

/** The order of a device's IPv4 addresses is kept, since the first one is the source of what the host sends. */
function addressTexts(device: Fields): string[] {
  const texts = list(device['addr_info'])
    .filter(isFields)
    .map((address) => {
      const lifetimes = {
        valid_life_time: lifetime(address['valid_life_time']),
        preferred_life_time: lifetime(address['preferred_life_time']),
      };
      return `${device['ifname']} ${address['family']} ${JSON.stringify(sorted({ ...address, ...lifetimes }))}`;
    });
  const ipv4 = texts.filter((text) => text.includes(' inet '));
  return [...ipv4, ...texts.filter((text) => !ipv4.includes(text)).sort()];
}

function routeTexts(family: string, json: string): string[] {
  return objects(json)
    .map(({ expires: _expires, flags, ...route }) => {
      const lasting = list(flags).filter((flag) => flag !== 'linkdown' && flag !== 'dead');
      return `${family} ${JSON.stringify(sorted(lasting.length === 0 ? route : { ...route, flags: lasting }))}`;
    })
    .sort();
}

/** Rules and policies other than ACCEPT, each with its table; an untouched table says nothing. */
function tableLines(saved: string): string[] {
  const lines: string[] = [];
  let table = '';
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1);
    else if (/^(-A|:\S+ (DROP|-))/.test(line)) lines.push(`${table} ${line.replace(/ \[\d+:\d+\]$/, '')}`);
  }
  return lines;
}

/** Each device's settings that differ from what a new device gets, and the host's own. */
function sysctlLines(found: string): string[] {
  const values = new Map<string, string>();
  for (const line of found.split('\n')) {
    const at = line.indexOf(':');
    if (at > 0) values.set(line.slice(0, at), line.slice(at + 1));
  }
  const lines: string[] = [];
  for (const [path, value] of values) {
    const [family, folder, device = '', name = ''] = path.split('/');
    if (DERIVED.test(name)) continue;
    const isDefault =
      folder === 'conf' && device !== 'default' && values.get(`${family}/conf/default/${name}`) === value;
    if (!isDefault) lines.push(`${path} = ${value}`);
  }
  return lines.sort();
}
