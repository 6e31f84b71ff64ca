import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitUntil } from '../support/wait.ts';
import { ROOT, RootHost } from './root-host.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const PLAYS = join(REPOSITORY, 'packaging/ansible');
const DIST = join(REPOSITORY, 'dist');

// The server of each host runs in it and lets nobody but the test in; who comes is in the Debian root.
const SERVER = `
set -e
chmod 755 /run
mkdir -p /run/sshd /run/ssh
ssh-keygen -q -t ed25519 -N '' -f /run/ssh/key
cat >/run/ssh/config <<EOF
HostKey /run/ssh/key
AuthorizedKeysFile /run/ssh/authorized
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
ChrootDirectory ${ROOT}
Subsystem sftp internal-sftp
PidFile /run/ssh/pid
EOF
cp "$1" /run/ssh/authorized
/usr/sbin/sshd -f /run/ssh/config
`;

/** The starts that wait for their confirmation. */
const PENDING = '/run/xen-network/pending';

let dir: string;
const hosts = new Map<string, RootHost>();

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'xen-network-ansible-'));
  spawnOk('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(dir, 'key'));
  for (const name of ['one', 'two']) {
    const root = await RootHost.create('bookworm', false);
    root.net.host.ok('sh', '-c', SERVER, 'server', join(dir, 'key.pub'));
    hosts.set(name, root);
  }
});

afterAll(async () => {
  for (const { net } of hosts.values()) await net.host.close();
  rmSync(dir, { recursive: true, force: true });
});

function spawnOk(...argv: readonly [string, ...string[]]): void {
  const [file, ...args] = argv;
  const { status, stderr } = spawnSync(file, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
}

/** How Ansible comes to a host: through its gateway, over the card that the start puts into a bridge. */
function inventory(lists: Readonly<Record<string, string>>): string {
  const lines = [...hosts].map(([name, { net }]) => {
    const gateway = net.host.path('/run/netns/gw-eth0');
    const way = `nsenter --net=${gateway} bash -c 'exec 3<>/dev/tcp/192.0.2.2/22; cat <&3 & cat >&3'`;
    return { name, way, list: lists[name] ?? '' };
  });
  const args = (way: string) =>
    [
      `-o ProxyCommand="${way}" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null`,
      '-o ConnectTimeout=5 -o ServerAliveInterval=2 -o ServerAliveCountMax=3',
    ].join(' ');
  const entries = lines.map(({ name, way, list }) => [
    name,
    {
      ansible_host: '192.0.2.2',
      ansible_user: 'root',
      ansible_ssh_private_key_file: join(dir, 'key'),
      ansible_ssh_common_args: args(way),
      // Both have one address.
      ansible_control_path: join(dir, name),
      ansible_python_interpreter: '/usr/bin/python3',
      xen_network_list: [list],
    },
  ]);
  const deb = readdirSync(DIST).find((file) => /^xen-network_.*_amd64\.deb$/.test(file)) ?? '';
  const vars = {
    xen_network_package: join(DIST, deb),
    xen_network_confirm: 20,
    xen_network_reconnect: 10,
  };
  return JSON.stringify({ xen: { hosts: Object.fromEntries(entries), vars } });
}

async function play(
  lists: Readonly<Record<string, string>>,
): Promise<{ status: number | null; said: string }> {
  const file = join(dir, 'hosts.json');
  writeFileSync(file, inventory(lists));
  mkdirSync(join(dir, 'home'), { recursive: true });
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: join(dir, 'home'),
    LC_ALL: 'C.UTF-8',
    ANSIBLE_NOCOLOR: '1',
    ANSIBLE_LOCALHOST_WARNING: 'False',
    ANSIBLE_REMOTE_TEMP: '/tmp/ansible',
  };
  const child = spawn('ansible-playbook', ['-i', file, 'site.yml'], { cwd: PLAYS, env });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { status, said };
}

/** What the play's recap says of a host; undefined where the play did not come to it. */
function recap(said: string, name: string): Record<string, number> | undefined {
  const [, counts] = new RegExp(`^${name} +: (.*)$`, 'm').exec(said) ?? [];
  if (counts === undefined) return undefined;
  return Object.fromEntries(
    [...counts.matchAll(/(\w+)=(\d+)/g)].map(([, key, count]) => [key, Number(count)]),
  );
}

const bridges = (name: string): string =>
  hosts.get(name)?.net.host.ok('ip', '-br', 'link', 'show', 'type', 'bridge') ?? '';
const cable = (state: 'up' | 'down'): void => hosts.get('one')?.net.outside.ip(`link set eth0 ${state}`);
const waiting = (name: string): string => hosts.get(name)?.net.host.run(['ls', PENDING]).stdout ?? '';
const isInstalled = (name: string): boolean =>
  hosts.get(name)?.run(['xen-network', '--version']).status === 0;

test('the role ends with the first host that does not come back, which undoes its start; then does all, then nothing', async () => {
  const lists = { one: 'network-bridge', two: 'network-bridge' };
  const run = play(lists);
  // What is behind its card does not like the bridge: nobody can confirm.
  await waitUntil('the start of one', () => waiting('one') !== '', 300_000);
  cable('down');
  const failed = await run;
  expect(failed.status).not.toBe(0);
  expect(recap(failed.said, 'one')).toMatchObject({ failed: 1 });
  expect(isInstalled('one')).toBe(true);
  expect(isInstalled('two')).toBe(false);
  await waitUntil('the start to be undone', () => bridges('one') === '', 120_000);
  cable('up');

  const done = await play(lists);
  expect(done).toMatchObject({ status: 0 });
  for (const name of hosts.keys()) {
    expect(recap(done.said, name)).toMatchObject({ failed: 0, unreachable: 0 });
    expect(bridges(name)).toContain('xenbr0');
    expect(hosts.get(name)?.run(['xen-network', 'confirm']).stdout).toBe(
      'Nothing waits for a confirmation.\n',
    );
  }

  const again = await play(lists);
  expect(again).toMatchObject({ status: 0 });
  for (const name of hosts.keys()) expect(recap(again.said, name)).toMatchObject({ changed: 0, failed: 0 });
});

test('ansible-lint finds nothing', () => {
  const said = spawnSync('ansible-lint', ['--offline', '--nocolor', '--strict'], {
    cwd: PLAYS,
    encoding: 'utf8',
  });
  expect({ status: said.status, stdout: said.stdout }).toEqual({ status: 0, stdout: '' });
});

test('the README names variables that the role has', () => {
  const defaults = readFileSync(join(PLAYS, 'roles/xen_network/defaults/main.yml'), 'utf8');
  const told = readFileSync(join(PLAYS, 'README.md'), 'utf8').matchAll(/xen_network_\w+/g);
  for (const [name] of told) expect(defaults).toContain(`${name}:`);
});
