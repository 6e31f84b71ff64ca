import {
  chmodSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  directories,
  hooks,
  install,
  makeSource,
  run,
  snapshot,
  tempDir,
  writeFile,
  writeProgram,
} from './support.ts';

let dir: string;
let source: string;
let root: string;

beforeEach(() => {
  dir = tempDir();
  source = makeSource(dir);
  root = join(dir, 'a root');
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const scripts = 'etc/xen/scripts';

/** Two stock scripts, one of them a link, with modes and times of their own, and a file that is no hook. */
function addStockScripts(): void {
  mkdirSync(join(root, scripts), { recursive: true });
  const bridge = join(root, scripts, 'vif-bridge');
  writeFileSync(bridge, '#!/bin/bash\necho stock bridge\n');
  chmodSync(bridge, 0o4751);
  utimesSync(bridge, 1_000_000_000.25, 1_100_000_000.75);
  symlinkSync('vif-bridge', join(root, scripts, 'vif-route'));
  lutimesSync(join(root, scripts, 'vif-route'), 1_200_000_000, 1_300_000_000.5);
  writeFileSync(join(root, scripts, 'vif-common.sh'), 'dir=1\n');
}

describe('installing into an empty tree', () => {
  test('the program and a working link for every hook are there, and the tree may be moved', () => {
    expect(install(source, '--destdir', root)).toMatchObject({ status: 0, stderr: '' });
    const moved = join(dir, 'moved');
    renameSync(root, moved);
    expect(readdirSync(join(moved, scripts)).sort()).toEqual(hooks);
    for (const hook of hooks) {
      expect(run([join(moved, scripts, hook)]).stdout).toBe(`called as ${hook}\n`);
    }
    expect(run([join(moved, 'usr/sbin/xen-network')]).stdout).toBe('called as xen-network\n');
    expect(lstatSync(join(moved, 'usr/lib/xen-network/xen-network')).mode & 0o7777).toBe(0o755);
  });

  test('uninstalling removes every file and directory again', () => {
    install(source, '--destdir', join(root, 'below'));
    expect(install(source, '--destdir', join(root, 'below'), '--uninstall').status).toBe(0);
    expect(existsSync(root)).toBe(false);
  });

  test('a relative --destdir counts from the current directory', () => {
    expect(install(source, '--destdir=../a root/x/..//y/').status).toBe(0);
    expect(realpathSync(join(root, 'y', scripts, 'vif-bridge'))).toBe(
      join(root, 'y/usr/lib/xen-network/xen-network'),
    );
  });

  test.each(['/opt/xen', '/opt/a/b/c/d scripts', '/scripts', '/usr/lib/xen-network'])(
    'links are right in the scripts directory %s',
    (scriptsDir) => {
      expect(install(source, '--destdir', root, '--scripts-dir', scriptsDir).status).toBe(0);
      expect(readlinkSync(join(root, scriptsDir, 'vif-bridge'))).not.toMatch(/^\//);
      expect(run([join(root, scriptsDir, 'vif-bridge')]).stdout).toBe('called as vif-bridge\n');
      expect(install(source, '--destdir', root, '--uninstall').status).toBe(0);
      expect(existsSync(root)).toBe(false);
    },
  );

  test('a scripts directory reached through links is followed, unless they lead out of the tree', () => {
    mkdirSync(join(root, 'srv/deep/er'), { recursive: true });
    mkdirSync(join(root, 'etc'));
    symlinkSync('../srv/deep/er', join(root, 'etc/xen'));
    expect(install(source, '--destdir', root).status).toBe(0);
    expect(run([join(root, scripts, 'vif-bridge')]).stdout).toBe('called as vif-bridge\n');

    unlinkSync(join(root, 'etc/xen'));
    mkdirSync(join(dir, 'outside'));
    symlinkSync(join(dir, 'outside'), join(root, 'etc/xen'));
    rmSync(join(root, 'usr'), { recursive: true });
    const refused = install(source, '--destdir', root);
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toBe(
      `install.sh: a link leads out of ${root} to ${join(dir, 'outside/scripts')}, so nothing was changed.\n`,
    );
    expect(readdirSync(join(dir, 'outside'))).toEqual([]);
  });
});

describe('stock scripts', () => {
  test('are kept out of sight, and put back with mode, times, owner and links as they were', () => {
    addStockScripts();
    const before = snapshot(root);
    const dirsBefore = directories(root);
    expect(install(source, '--destdir', root).status).toBe(0);
    expect(run([join(root, scripts, 'vif-bridge')]).stdout).toBe('called as vif-bridge\n');
    expect(readdirSync(join(root, scripts)).filter((name) => !name.startsWith('.'))).toEqual(
      [...hooks.slice(0, 2), 'vif-common.sh', ...hooks.slice(2)].sort(),
    );
    expect(install(source, '--destdir', root, '--uninstall')).toMatchObject({ status: 0, stderr: '' });
    expect(snapshot(root)).toEqual(before);
    expect(directories(root)).toEqual(dirsBefore);
  });

  test('stay the very same file, so that hard links, ACLs and attributes stay too', () => {
    addStockScripts();
    const inode = lstatSync(join(root, scripts, 'vif-bridge')).ino;
    install(source, '--destdir', root);
    expect(lstatSync(join(root, scripts, '.xen-network-stock/vif-bridge')).ino).toBe(inode);
    install(source, '--destdir', root, '--uninstall');
    expect(lstatSync(join(root, scripts, 'vif-bridge')).ino).toBe(inode);
  });

  test('a directory in the place of a hook is refused', () => {
    mkdirSync(join(root, scripts, 'vif-bridge'), { recursive: true });
    const refused = install(source, '--destdir', root);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toBe(
      `xen-network: ${join(root, scripts, 'vif-bridge')} is a folder; move it away and enable the hooks again.\n` +
        `install.sh: ${join(source, 'dist/xen-network')} could not enable the hooks.\n`,
    );
  });
});

describe('a second run', () => {
  test('of the same version changes nothing, not even a time', () => {
    addStockScripts();
    install(source, '--destdir', root);
    const before = snapshot(root);
    const times = directories(root).map((name) => lstatSync(join(root, name)).mtimeMs);
    const again = install(source, '--destdir', root);
    expect(again).toMatchObject({ status: 0, stderr: '' });
    expect(again.stdout).toContain('there was nothing to change');
    expect(snapshot(root)).toEqual(before);
    expect(directories(root).map((name) => lstatSync(join(root, name)).mtimeMs)).toEqual(times);
  });

  test('of another version replaces the program and keeps the first stock scripts', () => {
    addStockScripts();
    const before = snapshot(root);
    install(source, '--destdir', root);
    writeProgram(join(source, 'dist/xen-network'), '2.0.0');
    expect(install(source, '--destdir', root).stdout).toContain('xen-network 2.0.0 is installed');
    expect(run([join(root, 'usr/sbin/xen-network'), '--version']).stdout).toBe('xen-network 2.0.0\n');
    install(source, '--destdir', root, '--uninstall');
    expect(snapshot(root)).toEqual(before);
  });

  test('brings notices and manual pages along, and takes away what the new version no longer has', () => {
    const page = join(source, 'dist/share/man/man8/vif-bridge.8.gz');
    writeFile(page, 'a page');
    install(source, '--destdir', root);
    const shared = () => Object.keys(snapshot(join(root, 'usr/share')));
    expect(shared()).toEqual(['doc/xen-network/copyright', 'man/man8/vif-bridge.8.gz']);
    rmSync(page);
    const again = install(source, '--destdir', root);
    expect(again).toMatchObject({ status: 0, stderr: '' });
    expect(again.stdout).toContain(`remove ${root}/usr/share/man/man8/vif-bridge.8.gz\n`);
    expect(shared()).toEqual(['doc/xen-network/copyright']);
    install(source, '--destdir', root, '--uninstall');
    expect(existsSync(root)).toBe(false);
  });

  test('keeps the scripts directory and refuses another one', () => {
    install(source, '--destdir', root, '--scripts-dir', '/opt/hooks/');
    expect(install(source, '--destdir', root).stdout).toContain('there was nothing to change');
    const refused = install(source, '--destdir', root, '--scripts-dir', '/opt/other');
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toBe(
      'install.sh: xen-network is installed for /opt/hooks, not for /opt/other; uninstall it there first.\n',
    );
  });
});

describe('what somebody else changed meanwhile', () => {
  test('a link that leads elsewhere, where no script was kept, is left alone', () => {
    install(source, '--destdir', root);
    const link = join(root, scripts, 'vif-bridge');
    unlinkSync(link);
    symlinkSync('/somewhere/else', link);
    const ended = install(source, '--destdir', root, '--uninstall');
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    expect(Object.keys(snapshot(root))).toEqual([`${scripts}/vif-bridge`]);
    expect(readlinkSync(link)).toBe('/somewhere/else');
  });

  test('a stock script whose place is taken is kept until the place is free', () => {
    addStockScripts();
    const stock = snapshot(root);
    install(source, '--destdir', root);
    const link = join(root, scripts, 'vif-bridge');
    unlinkSync(link);
    writeFileSync(link, 'somebody else\n');
    const refused = install(source, '--destdir', root, '--uninstall');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(`${link} is not our link and is left alone`);
    expect(readFileSync(link, 'utf8')).toBe('somebody else\n');
    expect(existsSync(join(root, 'usr/lib/xen-network/xen-network'))).toBe(false);
    unlinkSync(link);
    expect(install(source, '--destdir', root, '--uninstall')).toMatchObject({ status: 0, stderr: '' });
    expect(snapshot(root)).toEqual(stock);
  });

  test('installing again neither overwrites such a file nor the stock script', () => {
    addStockScripts();
    install(source, '--destdir', root);
    const link = join(root, scripts, 'vif-bridge');
    unlinkSync(link);
    writeFileSync(link, 'somebody else\n');
    const kept = snapshot(join(root, scripts, '.xen-network-stock'));
    const ended = install(source, '--destdir', root);
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain(`${link} is no longer our link and is left alone`);
    expect(readFileSync(link, 'utf8')).toBe('somebody else\n');
    expect(snapshot(join(root, scripts, '.xen-network-stock'))).toEqual(kept);
  });

  test('a removed link is made again by an install, and its stock script put back by an uninstall', () => {
    addStockScripts();
    const stock = snapshot(root);
    install(source, '--destdir', root);
    const installed = snapshot(root);
    unlinkSync(join(root, scripts, 'vif-bridge'));
    install(source, '--destdir', root);
    expect(Object.keys(snapshot(root))).toEqual(Object.keys(installed));
    unlinkSync(join(root, scripts, 'vif-bridge'));
    expect(install(source, '--destdir', root, '--uninstall').status).toBe(0);
    expect(snapshot(root)).toEqual(stock);
  });
});

describe('--dry-run', () => {
  test('says what an install and an uninstall would do, and does nothing', () => {
    addStockScripts();
    const before = snapshot(root);
    const planned = install(source, '--destdir', root, '--dry-run');
    expect(planned).toMatchObject({ status: 0, stderr: '' });
    expect(snapshot(root)).toEqual(before);
    const done = install(source, '--destdir', root);
    const told = planned.stdout.trimEnd().split('\n');
    expect(done.stdout.trimEnd().split('\n').slice(0, -1)).toEqual(
      told.map((line) => line.replace('would ', '')),
    );
    const installed = snapshot(root);
    const back = install(source, '--destdir', root, '--dry-run', '--uninstall');
    expect(back.status).toBe(0);
    expect(back.stdout).toContain(`would put the stock script ${join(root, scripts, 'vif-bridge')} back\n`);
    expect(snapshot(root)).toEqual(installed);
  });
});

describe('--boot', () => {
  test.each([
    ['systemd', 'usr/lib/systemd/system/xen-network.service', 0o644],
    ['systemd', 'usr/lib/systemd/system/xen-network-traffic.timer', 0o644],
    ['systemd', 'usr/lib/systemd/system/xen-network-traffic.service', 0o644],
    ['openrc', 'etc/init.d/xen-network', 0o755],
    ['sysv', 'etc/init.d/xen-network', 0o755],
  ])('%s: its file is put there, enabled by nobody, and taken away again', (kind, path, mode) => {
    const installed = install(source, '--destdir', root, '--boot', kind);
    expect(installed).toMatchObject({ status: 0, stderr: '' });
    expect(installed.stdout).toMatch(/to have it started at boot: .* xen-network/);
    expect(lstatSync(join(root, path)).mode & 0o7777).toBe(mode);
    const before = snapshot(root);
    expect(install(source, '--destdir', root, '--boot', kind).stdout).toContain(
      'there was nothing to change',
    );
    expect(install(source, '--destdir', root).stdout).toContain('there was nothing to change');
    expect(snapshot(root)).toEqual(before);
    expect(install(source, '--destdir', root, '--uninstall').status).toBe(0);
    expect(existsSync(root)).toBe(false);
  });

  test('auto finds out what the system boots by', () => {
    mkdirSync(join(root, 'sbin'), { recursive: true });
    writeFileSync(join(root, 'sbin/openrc-run'), '');
    expect(install(source, '--destdir', root, '--boot=auto').status).toBe(0);
    expect(readFileSync(join(root, 'etc/init.d/xen-network'), 'utf8')).toMatch(/^#!.*openrc-run\n/);
  });

  test('a file of somebody else is left alone, and nothing is done', () => {
    mkdirSync(join(root, 'etc/init.d'), { recursive: true });
    writeFileSync(join(root, 'etc/init.d/xen-network'), 'theirs\n');
    const before = snapshot(root);
    expect(install(source, '--destdir', root, '--boot', 'sysv')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: `install.sh: ${join(root, 'etc/init.d/xen-network')} belongs to something else; move it away and run install.sh again.\n`,
    });
    expect(snapshot(root)).toEqual(before);
  });
});

describe('what cannot be done is refused with one sentence', () => {
  test.each([
    [['--what'], 'unknown argument --what'],
    [['extra'], 'unknown argument extra'],
    [['--destdir'], '--destdir needs a directory'],
    [['--scripts-dir', 'relative'], '--scripts-dir must be an absolute path below /'],
    [['--scripts-dir=/'], '--scripts-dir must be an absolute path below /'],
    [['--scripts-dir', '/etc/../xen'], '--scripts-dir holds . or ..'],
    [['--destdir', 'a\nb'], "a directory's name holds a line break"],
    [['--boot'], '--boot needs systemd, openrc, sysv or auto'],
    [['--boot', 'upstart'], '--boot is upstart; say systemd, openrc, sysv or auto'],
  ])('%j', (args, why) => {
    expect(install(source, ...args)).toEqual({
      status: 2,
      stdout: '',
      stderr: `install.sh: ${why}; see install.sh --help.\n`,
    });
  });

  test('--help tells every option', () => {
    const { status, stdout } = install(source, '--help');
    expect(status).toBe(0);
    for (const option of ['--destdir', '--scripts-dir', '--boot', '--uninstall', '--dry-run', '--help']) {
      expect(stdout).toContain(option);
    }
  });

  test('no notices', () => {
    rmSync(join(source, 'dist/share'), { recursive: true });
    expect(install(source, '--destdir', root)).toEqual({
      status: 1,
      stdout: '',
      stderr: `install.sh: there are no notices in ${source}/share/doc/xen-network, which have to go with the program; make them with npm run build.\n`,
    });
    expect(existsSync(root)).toBe(false);
  });

  test('no program', () => {
    rmSync(join(source, 'dist'), { recursive: true });
    const refused = install(source, '--destdir', root);
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toBe(
      `install.sh: there is no ${join(source, 'dist/xen-network')}; make it first with npm run build.\n`,
    );
  });

  test('a program that does not run here', () => {
    writeFileSync(join(source, 'dist/xen-network'), '\x7fELF of another machine');
    const refused = install(source, '--destdir', root);
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toMatch(/dist\/xen-network does not run on this machine \(Linux \S+\); [^\n]*\n$/);
    expect(existsSync(root)).toBe(false);
  });

  test('a /usr/sbin/xen-network of somebody else', () => {
    mkdirSync(join(root, 'usr/sbin'), { recursive: true });
    writeFileSync(join(root, 'usr/sbin/xen-network'), 'theirs\n');
    expect(install(source, '--destdir', root)).toMatchObject({ status: 1, stdout: '' });
    expect(readFileSync(join(root, 'usr/sbin/xen-network'), 'utf8')).toBe('theirs\n');
    expect(existsSync(join(root, 'etc'))).toBe(false);
  });

  const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'sh'];

  test('no root', () => {
    chmodSync(dir, 0o755);
    expect(run([...asNobody, join(source, 'install.sh')])).toEqual({
      status: 1,
      stdout: '',
      stderr:
        'install.sh: only root may change /; run install.sh as root, or with --destdir to install elsewhere.\n',
    });
  });

  test('no write access', () => {
    chmodSync(dir, 0o755);
    mkdirSync(root);
    expect(run([...asNobody, join(source, 'install.sh'), '--destdir', root])).toEqual({
      status: 1,
      stdout: '',
      stderr: `install.sh: cannot write to ${root}: it is read-only, or belongs to another user.\n`,
    });
  });

  test('uninstalling what is not installed is no error', () => {
    expect(install(source, '--destdir', root, '--uninstall')).toEqual({
      status: 0,
      stdout: `xen-network is not installed in ${root}\n`,
      stderr: '',
    });
  });
});
