import { type ChildProcess, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Snapshot, takeSnapshot } from '../models/snapshot.ts';
import { sleep } from '../wait.ts';
import { Store } from '../xenstore/store.ts';
import { type HostOptions, startHolder } from './holder.ts';
import { Namespace, PLAIN_ENV, type Ran } from './namespace.ts';

export type { HostOptions };

/** In full, since a test may give the child a PATH of its own. */
const NSENTER = '/usr/bin/nsenter';
const SCRIPTS = '/etc/xen/scripts';

/** How a network card and the network behind it are addressed; addresses as ADDRESS/LENGTH, gateways without. */
export interface NicOptions {
  readonly mac?: string;
  readonly mtu?: number;
  readonly address?: string;
  readonly gateway?: string;
  readonly address6?: string;
  readonly gateway6?: string;
}

/**
 * A whole host for a test: network, mounts, processes, /sys, /run, /etc and /var/log of its own, in which real
 * hooks change a real kernel's network without anybody outside noticing.
 */
export class Host extends Namespace {
  readonly #holder: ChildProcess;
  readonly #root: string;
  #store: Promise<Store> | undefined;

  private constructor(holder: ChildProcess) {
    const pid = `${holder.pid}`;
    super([NSENTER, '-t', pid, '--net', '--mount', `--pid=/proc/${pid}/ns/pid_for_children`, '--']);
    this.#holder = holder;
    this.#root = `/proc/${pid}/root`;
  }

  /**
   * Makes a host with nothing but lo. Close it when done.
   * @param options how it differs from the usual
   * @throws Error when the program is not built, the stock scripts are missing or this machine refuses namespaces
   */
  static async create(options: HostOptions = {}): Promise<Host> {
    return new Host(await startHolder(options));
  }

  /** Ends everything that runs in here, and waits until it is gone. */
  async close(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#holder.once('close', resolve));
    this.#holder.kill('SIGKILL');
    await gone;
  }

  /**
   * Where a file of this host is seen from outside.
   * @param file an absolute path in here
   */
  path(file: string): string {
    return `${this.#root}${file}`;
  }

  /**
   * Puts a file into the host, with its folders.
   * @param file an absolute path in here
   * @param text its content
   * @param mode its permissions
   */
  write(file: string, text: string, mode = '644'): void {
    const script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"';
    const ran = this.run(['sh', '-c', script, 'write', file, mode], { input: text });
    if (ran.status !== 0) throw new Error(`${file} cannot be written: ${ran.stderr}`);
  }

  /**
   * A network namespace beside this host's: a guest, a gateway, another machine. It shares the rest with the host.
   * @param name what `ip netns` calls it; made when it is not there
   */
  netns(name: string): Namespace {
    const path = `/run/netns/${name}`;
    if (!existsSync(this.path(path))) {
      this.ok('ip', 'netns', 'add', name);
      this.ok('ip', 'netns', 'exec', name, 'sh', '-c', OFF_DAD);
    }
    const pid = `${this.#holder.pid}`;
    const mount = `--mount=/proc/${pid}/ns/mnt`;
    return new Namespace([
      NSENTER,
      `--net=${this.path(path)}`,
      mount,
      `--pid=/proc/${pid}/ns/pid_for_children`,
      '--',
    ]);
  }

  /**
   * A network card, whose cable ends in a gateway that answers.
   * @param name the card's name
   * @param options its addresses and the gateway's; a gateway becomes the default route
   * @returns the namespace at the other end, called gw-NAME
   */
  nic(name: string, options: NicOptions = {}): Namespace {
    const gateway = this.netns(`gw-${name}`);
    const mtu = options.mtu === undefined ? '' : ` mtu ${options.mtu}`;
    const mac = options.mac === undefined ? '' : ` address ${options.mac}`;
    const sides = [
      [options.address, options.gateway],
      [options.address6, options.gateway6],
    ] as const;
    this.ip(`link add ${name}${mac}${mtu} type veth peer name eth0${mtu} netns gw-${name}`);
    gateway.ip(
      'link set eth0 up',
      ...sides
        .filter(([, via]) => via !== undefined)
        .map(([address, via]) => `address add ${via}/${lengthOf(address)} dev eth0`),
    );
    this.ip(
      `link set ${name} up`,
      ...sides
        .filter(([address]) => address !== undefined)
        .map(([address]) => `address add ${address} ${broadcastOf(address)} dev ${name}`),
      ...sides
        .filter(([, via]) => via !== undefined)
        .map(([, via]) => `route add default via ${via} dev ${name}`),
    );
    return gateway;
  }

  /**
   * A cable to another host; its ends are down.
   * @param device what the end is called, on both
   * @param other the other host
   */
  cable(device: string, other: Host): void {
    const [here, there] = [this, other].map((host) => `${host.#holder.pid}`);
    const veth = `link add ${device} type veth peer name ${device} netns ${there}`;
    // Not from within, where a process of another host has no number.
    execFileSync(NSENTER, ['-t', `${here}`, '--net', 'ip', ...veth.split(' ')]);
  }

  /**
   * A guest's network card as netback makes it: down, and its other end the guest's.
   * @param domid the guest's domain
   * @param devid which of its cards; eth0 in the guest is 0
   * @returns the guest's namespace, called guestDOMID
   */
  vif(domid: number, devid = 0): Namespace {
    const guest = this.netns(`guest${domid}`);
    const [hostMac, guestMac] = [vifMac('02:00:5e', domid, devid), vifMac('00:16:3e', domid, devid)];
    this.ip(
      `link add vif${domid}.${devid} address ${hostMac} type veth peer name eth${devid} address ${guestMac} netns guest${domid}`,
    );
    return guest;
  }

  /**
   * The emulated twin of a guest's network card as QEMU makes it: a tap device that is down.
   * @param domid the guest's domain
   * @param devid which of its cards
   */
  tap(domid: number, devid = 0): void {
    const name = `vif${domid}.${devid}-emu`;
    this.ip(
      `tuntap add dev ${name} mode tap`,
      `link set dev ${name} address ${vifMac('02:00:5f', domid, devid)}`,
    );
  }

  /** This host's xenstore, served by the real daemon; started when it is first asked for. */
  xenstore(): Promise<Store> {
    this.#store ??= Store.start(this);
    return this.#store;
  }

  /**
   * Calls a hook as xl does: by its name in /etc/xen/scripts.
   * @param name the hook, or xen-network
   * @param args command word and variables
   * @param env what the caller sets beside PATH
   */
  hook(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Ran {
    return this.run([`${SCRIPTS}/${name}`, ...args], { env: { ...PLAIN_ENV, ...env } });
  }

  /**
   * Calls a hook and looks which programs that starts.
   * @param name the hook, or xen-network
   * @param args command word and variables
   * @param env what the caller sets beside PATH
   * @returns what it left, and the path of each program that was started, the hook's own first
   */
  traced(
    name: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): { readonly ran: Ran; readonly started: string[] } {
    const strace = 'strace -f -qq -e trace=execve -e status=successful -o /run/trace'.split(' ');
    const ran = this.run([...strace, `${SCRIPTS}/${name}`, ...args], { env: { ...PLAIN_ENV, ...env } });
    const calls = this.ok('cat', '/run/trace').matchAll(/execve\("([^"]*)"/g);
    return { ran, started: [...calls].map(([, path = '']) => path) };
  }

  /**
   * Runs a hook under strace.
   * @param name the hook
   * @param args command word and variables
   * @param env what the caller sets beside PATH
   * @returns what it left, and how many bytes it and its children read from files of /proc and by netlink
   */
  readings(
    name: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): { readonly ran: Ran; readonly bytes: number } {
    const calls = 'read,pread64,recv,recvfrom,recvmsg';
    const strace = `strace -f -qq -yy -e trace=${calls} -e status=successful -s 0 -o /run/trace`.split(' ');
    const ran = this.run([...strace, `${SCRIPTS}/${name}`, ...args], { env: { ...PLAIN_ENV, ...env } });
    const lines = this.ok('cat', '/run/trace').matchAll(/\(\d+<(?:\/proc\/|NETLINK|socket:).* = (\d+)$/gm);
    return { ran, bytes: [...lines].reduce((sum, [, count]) => sum + Number(count), 0) };
  }

  /**
   * Starts a hook, for several at once.
   * @param name the hook, or xen-network
   * @param args command word and variables
   * @param env what the caller sets beside PATH
   */
  startHook(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    return this.start([`${SCRIPTS}/${name}`, ...args], { env: { ...PLAIN_ENV, ...env } });
  }

  /** Everything of the network that a hook may change, in a form that can be compared. */
  snapshot(): Snapshot {
    return takeSnapshot(this);
  }

  /**
   * A snapshot, taken again for up to three seconds until it equals what is expected: carriers and link-local
   * addresses come a little after what causes them.
   * @param expected the state that should come
   * @returns the last one taken
   */
  async snapshotLike(expected: Snapshot): Promise<Snapshot> {
    const wanted = JSON.stringify(expected);
    const end = performance.now() + 3000;
    for (;;) {
      const now = this.snapshot();
      if (JSON.stringify(now) === wanted || performance.now() > end) return now;
      await sleep(20);
    }
  }

  /** A snapshot once the host has come to rest: two in a row are alike. */
  async settled(): Promise<Snapshot> {
    let before = JSON.stringify(this.snapshot());
    for (let tries = 0; ; tries++) {
      await sleep(100);
      const now = this.snapshot();
      const text = JSON.stringify(now);
      if (text === before || tries > 50) return now;
      before = text;
    }
  }
}

const OFF_DAD =
  'ip link set lo up; for dev in all default lo; do echo 0 > /proc/sys/net/ipv6/conf/$dev/accept_dad; done';

/**
 * What xl sets when it calls a vif hook (docs/contract.md, "Environment").
 * @param domid the guest's domain
 * @param devid which of its cards
 * @param more what is set beside, or instead; INTERFACE for an emulated card
 */
export function xlEnv(
  domid: number,
  devid = 0,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    script: `${SCRIPTS}/vif-bridge`,
    XENBUS_TYPE: 'vif',
    XENBUS_PATH: `backend/vif/${domid}/${devid}`,
    XENBUS_BASE_PATH: 'backend',
    netdev: '',
    vif: `vif${domid}.${devid}`,
    ...more,
  };
}

function vifMac(prefix: string, domid: number, devid: number): string {
  const hex = (n: number) => n.toString(16).padStart(2, '0');
  return `${prefix}:${hex(domid >> 8)}:${hex(domid & 255)}:${hex(devid)}`;
}

function lengthOf(address: string | undefined): string {
  return address?.split('/')[1] ?? '';
}

function broadcastOf(address: string | undefined): string {
  return address?.includes('.') === true ? 'broadcast +' : '';
}
