import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { xlEnv } from '../support/hosts/host.ts';
import type { Namespace, Ran } from '../support/hosts/namespace.ts';
import { NetHost } from '../support/hosts/net-host.ts';
import { type Served, Watched } from './watched.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
/** Where the root is seen in its host. */
export const ROOT = '/run/root';
const SCRIPTS = '/etc/xen/scripts';
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };

// What is written to the root stays in the host's own memory. /run is the host's, with xenstored in it.
const MOUNT = `
set -e
mkdir -p /run/over ${ROOT}
mount -t tmpfs tmpfs /run/over
mkdir /run/over/upper /run/over/work
mount -t overlay overlay -o "lowerdir=$1,upperdir=/run/over/upper,workdir=/run/over/work$2" ${ROOT}
mount --bind /run ${ROOT}/run
mount -t proc proc ${ROOT}/proc
mount --rbind /sys ${ROOT}/sys
mount --rbind /dev ${ROOT}/dev
`;

/** A Debian system with a bridge and guests, on which packages come and go. */
export class RootHost {
  readonly net: NetHost;

  private constructor(net: NetHost) {
    this.net = net;
  }

  /**
   * Makes one; close its net's host when done.
   * @param suite the Debian release
   * @param bridged whether its card is in a bridge already
   * @param architecture another than this machine's, which has to run its programs
   */
  static async create(suite: string, bridged = true, architecture?: string): Promise<RootHost> {
    const [name, ...words] =
      architecture === undefined ? [suite] : [`${suite}-${architecture}`, architecture];
    const dir = join(REPOSITORY, 'dist/roots', name);
    const made = spawnSync(join(import.meta.dirname, 'root.sh'), [suite, dir, ...words], {
      encoding: 'utf8',
    });
    if (made.status !== 0) throw new Error(`There is no root of ${suite}: ${made.stderr}`);
    const net = await NetHost.create();
    // Where a foreign program runs, in a user namespace, overlayfs may keep nothing in other attributes.
    net.host.ok('sh', '-c', MOUNT, 'mount', dir, architecture === undefined ? '' : ',userxattr');
    const root = new RootHost(net);
    if (!bridged) return root;
    net.host.ip(
      'link add xenbr0 address 02:00:00:00:00:01 type bridge',
      'address flush dev eth0',
      'link set eth0 master xenbr0',
      'link set xenbr0 up',
    );
    return root;
  }

  /** Runs a command in the root, and gives what it left. */
  run(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Ran {
    return this.net.host.run(['chroot', ROOT, ...argv], { env: { ...ENVIRONMENT, ...env } });
  }

  /** Runs a shell script in the root, which has to succeed. */
  ok(script: string, ...words: string[]): string {
    const ran = this.run(['sh', '-ec', script, 'sh', ...words]);
    if (ran.status === 0) return ran.stdout;
    throw new Error(`${script} ended with status ${ran.status}: ${ran.stdout}${ran.stderr}`);
  }

  /**
   * The same, under watch.
   * @returns the moments at which a vif hook that was there before could not be called
   */
  watched(script: string, ...words: string[]): string[] {
    const { host } = this.net;
    const listed = this.ok('for f in /etc/xen/scripts/vif-*; do echo "$f $(readlink -f "$f")"; done').trim();
    const served = listed.split('\n').map((line): Served => {
      const [path = '', file = ''] = line.split(' ');
      return path === file ? { path } : { path, file };
    });
    const others = this.ok('find /usr/lib/xen-network /etc/xen/scripts -type f 2>/dev/null || :').split('\n');
    const calls = 'rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat';
    const strace = [
      'strace',
      '-f',
      '-y',
      '-qq',
      '-s',
      '4096',
      '-e',
      `trace=${calls}`,
      '-e',
      'status=successful',
    ];
    const argv = [...strace, '-o', '/run/trace', 'chroot', ROOT, 'sh', '-ec', script, 'sh', ...words];
    const ran = host.run(argv, { env: ENVIRONMENT });
    if (ran.status !== 0)
      throw new Error(`${script} ended with status ${ran.status}: ${ran.stdout}${ran.stderr}`);
    return new Watched(served, others, ROOT).gaps(host.ok('cat', '/run/trace'));
  }

  /** A guest on xenbr0, whose card whatever hook there is has put to use. */
  guest(domid: number): Namespace {
    const guest = this.net.card(domid, { bridge: 'xenbr0', ip: `192.0.2.5${domid}` });
    this.call('online', domid);
    guest.ip('link set eth0 up', `address add 192.0.2.5${domid}/24 dev eth0`);
    return guest;
  }

  /** Calls vif-bridge as xl does, which has to succeed. */
  call(command: 'online' | 'offline', domid: number): void {
    const ran = this.run([`${SCRIPTS}/vif-bridge`, command, 'type_if=vif'], xlEnv(domid));
    if (ran.status !== 0)
      throw new Error(`vif-bridge ${command} ended with status ${ran.status}: ${ran.stderr}`);
    if (command === 'online' && this.net.store.told(domid).status !== 'connected')
      throw new Error(`vif-bridge online said nothing: ${this.net.store.told(domid).error}`);
  }

  /** Takes a guest away as xl does. */
  end(domid: number): void {
    this.call('offline', domid);
    this.net.host.netns(`guest${domid}`).run(['ip', 'link', 'del', 'dev', 'eth0']);
    this.net.store.forget(domid, 0);
  }
}

/** Packets that a guest sends to the outside, ten a second. */
export interface Pings {
  /** Ends them, and tells how many got no answer; the last one may still wait for its own. */
  readonly lost: () => Promise<number>;
}

/** Lets a guest send packets to the outside until somebody asks how many were lost. */
export function startPings(guest: Namespace): Pings {
  const ended = guest.start(['ping', '-n', '-i', '0.1', '192.0.2.1'], { limitMs: 3_600_000 });
  return {
    lost: async () => {
      guest.ok('pkill', '-INT', '-x', 'ping');
      const { stdout } = await ended;
      const [, sent = '0', received = '0'] = /^(\d+) packets transmitted, (\d+) received/m.exec(stdout) ?? [];
      if (Number(sent) < 5) throw new Error(`No ping was sent: ${stdout}`);
      return Math.max(0, Number(sent) - Number(received) - 1);
    },
  };
}
