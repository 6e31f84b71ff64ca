import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PLAIN_ENV } from './namespace.ts';

/** The program that is tested; `npm run check:engine` names another build of it. */
const PROGRAM = process.env['XEN_NETWORK_TESTED'] ?? join(import.meta.dirname, '../../../dist/xen-network');
const UNSHARE = '--net --mount --pid --fork --kill-child --mount-proc --propagation private';

// The host's own /etc and /var/log are seen, but what is written to them stays in here. IPv6's duplicate address
// detection costs a second for each address and is switched off, but where a test wants it. The holder ends when the
// test does, however that ends, and with it, being the first process of its PID namespace, all that runs in here.
const HOLDER = `
set -e
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
[ -L /var/run ] || mount --bind /run /var/run
mkdir -p /run/netns /run/lock
for dir in etc var/log; do
  mkdir -p /run/private/$dir/upper /run/private/$dir/work
  mount -t overlay overlay -o lowerdir=/$dir,upperdir=/run/private/$dir/upper,workdir=/run/private/$dir/work /$dir
done
mkdir -p /etc/xen/scripts /var/log/xen
rm -rf /run/xen-network
for hook in $HOOKS; do ln -sf "$PROGRAM" /etc/xen/scripts/$hook; done
if [ -z "$HOOKS" ]; then
  # Debian switches the filter rules off by one line of its own, which is taken out again.
  sed -i '/disabled in Debian packaging/{n;s/^ *return 0$//}' /etc/xen/scripts/vif-common.sh
fi
ip link set lo up
if [ "$DAD" = off ]; then
  for dev in all default lo; do echo 0 > /proc/sys/net/ipv6/conf/$dev/accept_dad; done
fi
echo ready
cat
`;

/** The names under which the program is called, asked once. */
let hooks: string | undefined;

function hookNames(): string {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is not there; run "npm run build" first.`);
  hooks ??= `${execFileSync(PROGRAM, ['--hooks'], { encoding: 'utf8' }).trim().split('\n').join(' ')} xen-network`;
  return hooks;
}

export interface HostOptions {
  /** Whose scripts are in /etc/xen/scripts: ours, or those of Debian's package xen-utils-common as upstream has them. */
  readonly scripts?: 'ours' | 'stock';
  /** Whether IPv6's duplicate address detection works as on a real host; it does not unless told. */
  readonly dad?: boolean;
}

/**
 * Starts the process that holds a test host's namespaces, and waits until they are furnished.
 * @param options how the host differs from the usual
 * @throws Error when the program is not built, the stock scripts are missing or this machine refuses namespaces
 */
export async function startHolder(options: HostOptions): Promise<ChildProcess> {
  const HOOKS = options.scripts === 'stock' ? '' : hookNames();
  const holder = spawn('unshare', [...UNSHARE.split(' '), 'sh', '-c', HOLDER], {
    env: { ...PLAIN_ENV, PROGRAM, HOOKS, DAD: options.dad === true ? 'on' : 'off' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let said = '';
  holder.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  await new Promise<void>((resolve, reject) => {
    holder.stdout.once('data', () => resolve());
    holder.once('close', (status) =>
      reject(new Error(`No namespaces for a test host (status ${status}): ${said}`)),
    );
  });
  return holder;
}
