import { spawn } from 'node:child_process';
import type { Hex } from '../frames/packets.ts';
import { arrivals, type End } from '../frames/wire.ts';
import { type HostOptions, xlEnv } from './host.ts';
import { type Namespace, PLAIN_ENV, type Ran } from './namespace.ts';
import { VifHost } from './vif-host.ts';

const OUTSIDE: End = { netns: 'outside', device: 'eth0' };

/** A bridge sees the carrier of a port a little later than the port has it. */
const AWAIT_FORWARDING = `
for try in $(seq 5000); do
  waiting=
  for port in /sys/class/net/*/brif/*; do
    [ "$(cat /sys/class/net/\${port##*/}/carrier 2>/dev/null)" != 1 ] || [ "$(cat $port/state)" = 3 ] || waiting=yes
  done
  [ -n "$waiting" ] || exit 0
  sleep 0.02
done
exit 1
`;

export const OUTSIDE_MAC = '02:00:00:00:00:fa';

/** The MAC address of a guest's first card. */
export function guestMac(domid: number): string {
  return `00:16:3e:00:${domid.toString(16).padStart(2, '0')}:00`;
}

/** A host whose guests are under the strict filter, and an outside at the bridge that is under none. */
export class StrictHost {
  readonly vif: VifHost;
  readonly outside: Namespace;

  private constructor(vif: VifHost) {
    this.vif = vif;
    this.outside = vif.host.netns(OUTSIDE.netns);
  }

  /**
   * Makes one; close its host when done. As on most hosts bridged packets do not go through iptables.
   * @param options how its host differs from the usual
   */
  static async create(options: HostOptions = {}): Promise<StrictHost> {
    const vif = await VifHost.create(options);
    const strict = new StrictHost(vif);
    vif.host.ip(
      `link add up0 type veth peer name eth0 address ${OUTSIDE_MAC} netns outside`,
      'link set up0 master xenbr0 up',
      'link set xenbr0 type bridge mcast_snooping 0',
    );
    strict.outside.ip(
      'link set eth0 up',
      'address add 192.0.2.250/24 dev eth0',
      'address add 2001:db8::250/64 dev eth0 nodad',
    );
    strict.bridgeNf(false);
    return strict;
  }

  /** Whether bridged packets go through iptables. */
  bridgeNf(on: boolean): void {
    const script = `for name in ip ip6 arp; do echo $1 >/proc/sys/net/bridge/bridge-nf-call-$name"tables"; done`;
    this.vif.host.ok('sh', '-c', script, 'sh', on ? '1' : '0');
  }

  /**
   * A guest whose card is online under the strict filter, running and with no address set.
   * @param domid the guest's domain
   * @param values what xenstore says of its card beside its MAC address: ip and others
   * @throws Error when it does not come online
   */
  guest(domid: number, values: Readonly<Record<string, string>> = {}): Namespace {
    this.vif.card(domid, { mac: guestMac(domid), ...values });
    const ran = this.online(domid);
    if (ran.status !== 0) throw new Error(`vif${domid}.0 did not come online: ${ran.stderr}`);
    const guest = this.vif.host.netns(`guest${domid}`);
    guest.ip('link set eth0 up');
    return guest;
  }

  online(domid: number, ...more: string[]): Ran {
    return this.vif.host.hook('vif-bridge', ['online', 'antispoof=strict', ...more], xlEnv(domid));
  }

  /**
   * Sends frames as a guest and tells which of them arrive outside.
   * @param domid the guest's domain
   * @param frames Ethernet frames, no two alike
   * @param sender by which card; the guest's first unless told
   */
  send(
    domid: number,
    frames: readonly Hex[],
    sender: End = { netns: `guest${domid}`, device: 'eth0' },
  ): Hex[] {
    this.vif.host.ok('sh', '-c', AWAIT_FORWARDING);
    return arrivals(this.vif.host, { sender, watcher: OUTSIDE, marker: MARKER }, frames);
  }

  /** A further machine at the bridge, by which the end of what was sent is told. */
  marker(): void {
    this.vif.host.netns(MARKER.netns);
    this.vif.host.ip(
      `link add mark0 type veth peer name eth0 netns ${MARKER.netns}`,
      'link set mark0 master xenbr0 up',
    );
    this.vif.host.netns(MARKER.netns).ip('link set eth0 up');
  }

  /**
   * Starts a server outside.
   * @param argv program and arguments
   * @returns ends it
   */
  serve(...argv: string[]): () => void {
    return this.serveIn(OUTSIDE.netns, ...argv);
  }

  /** The same in another namespace. */
  serveIn(netns: string, ...argv: string[]): () => void {
    const [file = '', ...args] = [...this.vif.host.netns(netns).enter, ...argv];
    const child = spawn(file, args, { stdio: 'ignore', env: { ...PLAIN_ENV } });
    return () => void child.kill('SIGKILL');
  }

  /** How many frames of a port were dropped. */
  drops(port: string): number {
    const counted = new RegExp(`"${port}" counter packets (\\d+)`);
    const found = ['bridge', 'netdev'].flatMap((family) => {
      const listing = this.vif.host.ok('nft', 'list', 'set', family, 'xen_network', 'refused');
      return counted.exec(listing)?.[1] ?? [];
    });
    return found.length === 0 ? Number.NaN : found.reduce((sum, packets) => sum + Number(packets), 0);
  }

  /** What is in the filter's sets, without counters, in a fixed order: the set's name and an element's value each. */
  elements(): string[] {
    return strictElementsIn(this.vif.host);
  }
}

/**
 * What is in the strict filter's sets, and its chains of devices.
 * @param host whose filter
 * @returns the set's name and an element's value each, without counters, in a fixed order; none without a table
 */
export function strictElementsIn(host: Namespace): string[] {
  return strictElementsOf(host.ok('nft', '-j', 'list', 'ruleset'));
}

/**
 * As strictElementsIn.
 * @param listings what `nft -j list ruleset` printed, or what its listings of sets, maps and chains did, a line each
 */
export function strictElementsOf(listings: string): string[] {
  const entries = listings
    .split('\n')
    .filter(Boolean)
    .map((line): unknown => JSON.parse(line))
    .flatMap((found) => (isFields(found) && Array.isArray(found['nftables']) ? found['nftables'] : []))
    .filter(isFields);
  return ['bridge', 'netdev', 'inet'].flatMap((family) => elementsOf(family, entries));
}

function elementsOf(family: string, ruleset: readonly Fields[]): string[] {
  const ours = (entry: unknown) =>
    isFields(entry) && entry['family'] === family && entry['table'] === 'xen_network' ? [entry] : [];
  const elements = ruleset
    .flatMap((entry) => ours(entry['set'] ?? entry['map']))
    .flatMap(({ name, elem }) =>
      (Array.isArray(elem) ? elem : []).map((value) => `${name} ${elementText(value)}`),
    );
  const chains = ruleset
    .flatMap((entry) => ours(entry['chain']))
    .filter(({ name }) => `${name}`.includes('/'))
    .map(({ name, hook, dev }) => `chain ${name} ${hook} ${JSON.stringify(dev)}`);
  const prefix = family === 'bridge' ? '' : `${family} `;
  return [...elements, ...chains].map((text) => `${prefix}${text}`).sort();
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Elements with counters stand one level deeper. */
function elementText(value: unknown): string {
  const inner = isFields(value) ? value['elem'] : undefined;
  return JSON.stringify(isFields(inner) ? inner['val'] : value);
}

const MARKER: End = { netns: 'marker', device: 'eth0' };
