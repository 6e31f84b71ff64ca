import type { Store } from '../xenstore/store.ts';
import { Host, type HostOptions, xlEnv } from './host.ts';
import type { Namespace, Ran } from './namespace.ts';

type Values = Readonly<Record<string, string>>;

/** Packets and bytes in one direction, as the desk prints them. */
export interface Counted {
  readonly packets: number;
  readonly bytes: number;
}

/** A guest, as `xen-network traffic --json` has it. */
export interface CountedGuest {
  readonly name: string;
  readonly uuid: string;
  readonly running: boolean;
  readonly received: Counted;
  readonly sent: Counted;
  readonly cards: readonly {
    readonly card: number;
    readonly devices: readonly string[];
    readonly received: Counted;
    readonly sent: Counted;
    readonly refused: Counted | null;
  }[];
}

/** The Ethernet, IPv4 and ICMP headers of a ping. */
const PING_HEADERS = 14 + 20 + 8;
export const FILE = '/var/lib/xen-network/traffic';
const HOST_MAC = '02:00:00:00:00:01';

/** A host with a bridge xenbr0 and guests whose traffic is known to the byte: they send nothing but what they are told. */
export class TrafficHost {
  readonly host: Host;
  readonly store: Store;

  private constructor(host: Host, store: Store) {
    this.host = host;
    this.store = store;
  }

  /**
   * Makes one; close its host when done.
   * @param options how its host differs from the usual
   */
  static async create(options: HostOptions = {}): Promise<TrafficHost> {
    const host = await Host.create(options);
    host.ok('sh', '-c', 'mkdir -p /var/lib/xen-network && mount -t tmpfs tmpfs /var/lib/xen-network');
    const traffic = new TrafficHost(host, await host.xenstore());
    traffic.bridge();
    return traffic;
  }

  /** Makes xenbr0 with the host's address and no IPv6. */
  bridge(): void {
    this.host.ip(`link add xenbr0 address ${HOST_MAC} type bridge mcast_snooping 0`);
    this.host.ok(
      'sh',
      '-c',
      'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6; ip link set xenbr0 multicast off up',
    );
    this.host.ip('address add 10.0.0.1/8 dev xenbr0');
  }

  /**
   * A guest in xenstore, as xl makes one.
   * @param domid its domain
   * @param name its name
   * @param uuid its uuid
   */
  domain(domid: number, name: string, uuid: string): void {
    this.store.write({
      [`/local/domain/${domid}/name`]: name,
      [`/local/domain/${domid}/vm`]: `/vm/${uuid}`,
      [`/vm/${uuid}/name`]: name,
      [`/vm/${uuid}/uuid`]: uuid,
    });
  }

  /**
   * A card of a guest, which its hook attaches.
   * @param domid the guest's domain
   * @param values what is configured
   * @param hook the hook
   * @param devid which card
   * @param attach calls the hook
   */
  card(
    domid: number,
    values: Values = { account: 'yes' },
    hook = 'vif-bridge',
    devid = 0,
    attach = () => this.online(domid, hook, devid),
  ): Namespace {
    const guest = this.host.vif(domid, devid);
    guest.ok('sh', '-c', `echo 1 >/proc/sys/net/ipv6/conf/eth${devid}/disable_ipv6`);
    const [, mac = ''] = /link\/ether (\S+)/.exec(guest.ok('ip', 'link', 'show', `eth${devid}`)) ?? [];
    this.store.vif(domid, devid, { bridge: 'xenbr0', mac, script: `/etc/xen/scripts/${hook}`, ...values });
    const ran = attach();
    if (ran.status !== 0) throw new Error(`${hook} online: ${ran.stderr}`);
    this.wire(domid, devid, mac);
    return guest;
  }

  /** Gives a guest its address, 10.1.DEVID.DOMID, and both sides the other's MAC address, so that nobody asks for one. */
  wire(domid: number, devid: number, mac: string, device = 'xenbr0'): void {
    const guest = this.host.netns(`guest${domid}`);
    guest.ip(
      `link set eth${devid} arp off up`,
      `address add ${this.address(domid, devid)}/32 dev eth${devid}`,
      `route add 10.0.0.1 dev eth${devid} src ${this.address(domid, devid)} metric ${devid + 1}`,
    );
    guest.ip(`neigh replace 10.0.0.1 lladdr ${this.macOf(device)} dev eth${devid} nud permanent`);
    // Devices and the bridge are ready a little after the carrier has come; what is sent before is dropped.
    const state = `/sys/class/net/${device}/brif/vif${domid}.${devid}/state`;
    this.host.ok('sh', '-c', `while [ "$(cat ${state} 2>/dev/null)" != 3 ]; do sleep 0.01; done`);
    for (const [where, name] of [
      [guest, `eth${devid}`],
      [this.host, `vif${domid}.${devid}`],
    ] as const)
      where.ok(
        'sh',
        '-c',
        `until ip -o link show ${name} | grep -q 'noqueue.* state UP'; do sleep 0.01; done`,
      );
    this.host.ip(`neigh replace ${this.address(domid, devid)} lladdr ${mac} dev ${device} nud permanent`);
  }

  address(domid: number, devid = 0): string {
    return `10.1.${devid}.${domid}`;
  }

  /**
   * Lets a guest ping the host.
   * @returns what that is in either direction, if each is answered
   */
  ping(domid: number, packets: number, size = 1000, devid = 0): Counted {
    const words = [
      '-n',
      '-q',
      '-c',
      `${packets}`,
      '-i',
      '0.002',
      '-s',
      `${size}`,
      '-I',
      `eth${devid}`,
      '10.0.0.1',
    ];
    const said = this.host.netns(`guest${domid}`).ok('ping', ...words);
    if (!said.includes(` ${packets} received`)) throw new Error(`Not all were answered: ${said}`);
    return { packets, bytes: packets * (PING_HEADERS + size) };
  }

  online(domid: number, hook = 'vif-bridge', devid = 0, words: readonly string[] = []): Ran {
    return this.host.hook(hook, ['online', 'type_if=vif', ...words], xlEnv(domid, devid));
  }

  offline(domid: number, hook = 'vif-bridge', devid = 0): Ran {
    return this.host.hook(hook, ['offline', 'type_if=vif'], xlEnv(domid, devid));
  }

  /** Ends a guest as newer Xen does: the device is gone before its offline. */
  end(domid: number, hook = 'vif-bridge', devid = 0): Ran {
    this.unplug(domid, devid);
    const ran = this.offline(domid, hook, devid);
    this.store.forget(domid, devid);
    this.store.remove(`/local/domain/${domid}`);
    return ran;
  }

  unplug(domid: number, devid = 0): void {
    this.host.netns(`guest${domid}`).ok('ip', 'link', 'del', 'dev', `eth${devid}`);
  }

  tool(...words: string[]): Ran {
    return this.host.hook('xen-network', words);
  }

  /** Saves the totals, which has to succeed without a word. */
  save(): void {
    const { status, stderr } = this.tool('traffic', '--save');
    if (status !== 0 || stderr !== '') throw new Error(`traffic --save: ${status} ${stderr}`);
  }

  /** What the desk tells of all guests. */
  read(): readonly CountedGuest[] {
    const { status, stdout, stderr } = this.tool('traffic', '--json');
    if (status > 1) throw new Error(`traffic --json: ${status} ${stderr}`);
    return (JSON.parse(stdout) as { guests: CountedGuest[] }).guests;
  }

  /** What the desk tells of one guest; nothing where it knows none of this uuid. */
  flow(uuid: string): Pick<CountedGuest, 'name' | 'sent' | 'received'> | undefined {
    const found = this.read().find((guest) => guest.uuid === uuid);
    return found === undefined ? undefined : { name: found.name, sent: found.sent, received: found.received };
  }

  private macOf(device: string): string {
    return this.host.ok('cat', `/sys/class/net/${device}/address`).trim();
  }
}

/**
 * The sum of counts.
 * @param all the counts
 */
export function sumOf(...all: readonly Counted[]): Counted {
  const sum = (field: keyof Counted) => all.reduce((total, one) => total + one[field], 0);
  return { packets: sum('packets'), bytes: sum('bytes') };
}
