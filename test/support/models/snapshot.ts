import type { Namespace } from '../hosts/namespace.ts';

/** The state of a host's network, by topic, as sorted lines that can be compared and read. */
export type Snapshot = Readonly<Record<string, readonly string[]>>;

/** Each prints one part; a tool that is missing prints nothing. Values that differ from the default's are found below. */
const PROBE = `
part() { echo "=== $1"; shift; "$@" 2>/dev/null; }
part links ip -d -j link
part addresses ip -j address
part routes4 ip -j -4 route show table all
part routes6 ip -j -6 route show table all
part proxies ip -6 neigh show proxy
part rules4 ip -j -4 rule
part rules6 ip -j -6 rule
part iptables iptables-nft-save
part ip6tables ip6tables-nft-save
part iptables-legacy iptables-legacy-save
part ip6tables-legacy ip6tables-legacy-save
cd /proc/sys/net && part sysctl grep -rs . ipv4/ip_forward ipv4/conf ipv6/conf bridge
cd /run && part files find xen-network -type f -not -path '*/lock/*' -not -name '*.pid' -not -name '*.leases' -printf '%p ' -exec cat {} ';' -printf '\\n'
cd /etc && part servers sh -c 'grep -shv "^ *#" dhcp/dhcpd.conf default/isc-dhcp-server dnsmasq.d/*; ps -o args= -C dhcpd,dnsmasq'
exit 0
`;

/** Settings that are no setting: the kernel counts or derives them. */
const DERIVED = /^(mc_forwarding|mtu|stable_secret)$/;

/**
 * Looks at everything of a host's network that a hook may change, and leaves out what changes by itself: indexes,
 * counters, remaining lifetimes, carrier.
 * @param host whose network
 */
export function takeSnapshot(host: Namespace): Snapshot {
  const parts = new Map<string, string>();
  for (const part of host.ok('sh', '-c', PROBE).split(/^=== /m).slice(1)) {
    const end = part.indexOf('\n');
    parts.set(part.slice(0, end), part.slice(end + 1));
  }
  const text = (name: string) => parts.get(name) ?? '';
  return {
    links: objects(text('links')).map(linkText).sort(),
    addresses: objects(text('addresses')).flatMap(addressTexts),
    routes: [...routeTexts('inet', text('routes4')), ...routeTexts('inet6', text('routes6'))],
    proxies: text('proxies')
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean)
      .sort(),
    rules: [...objects(text('rules4')), ...objects(text('rules6'))].map((rule) =>
      JSON.stringify(sorted(rule)),
    ),
    iptables: tableLines(text('iptables')),
    ip6tables: tableLines(text('ip6tables')),
    'iptables-legacy': tableLines(text('iptables-legacy')),
    'ip6tables-legacy': tableLines(text('ip6tables-legacy')),
    sysctl: sysctlLines(text('sysctl')),
    servers: text('servers').split('\n').filter(Boolean),
    // A record that was typed off a dry run has no seal, and is worth the same.
    files: text('files')
      .trim()
      .replace(/^(\S+) \d+ [0-9a-f]{8} /gm, '$1 ')
      .split('\n')
      .filter(Boolean)
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
