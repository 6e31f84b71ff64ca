import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBun } from '../support/bun.ts';
import { hooks, run, tempDir } from './support.ts';
import { inThrowAwaySystem } from './throw-away.ts';

const root = join(import.meta.dirname, '../..');
const S = '/etc/xen/scripts';
let dir: string;
let unable: string | undefined;

/** Makes the packages of this machine in a folder of their own, and gives their paths. */
function make(name: string): string[] {
  const to = join(dir, name);
  const work = join(dir, `${name} work`.replaceAll(' ', '-'));
  mkdirSync(to);
  mkdirSync(work);
  const script = `const { makeSource, makeArchive, VERSION } = await import('./tools/package/source.ts');
    const { makeDeb } = await import('./tools/package/deb.ts');
    const { makeRpm } = await import('./tools/package/rpm.ts');
    const machine = { debian: 'amd64', rpm: 'x86_64', built: 'dist' };
    const source = '${work}/xen-network-' + VERSION;
    const site = { machine, work: '${work}', source, date: 1700000000, to: '${to}' };
    await makeSource(site);
    await makeDeb(site);
    await makeArchive(site);
    if (Bun.which('rpmbuild')) await makeRpm(site);`;
  const made = spawnSync(findBun(), ['-e', script], { cwd: root, encoding: 'utf8' });
  expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' });
  return readdirSync(to).map((file) => join(to, file));
}

function digests(files: readonly string[]): string[] {
  return files.map((file) => createHash('sha256').update(readFileSync(file)).digest('hex'));
}

let made: string[];
let deb = '';

beforeAll(() => {
  dir = tempDir().replace(/ /g, '-');
  mkdirSync(dir);
  const pages = spawnSync(findBun(), ['tools/man/main.ts'], { cwd: root, encoding: 'utf8' });
  expect({ status: pages.status, stderr: pages.stderr }).toEqual({ status: 0, stderr: '' });
  made = make('first');
  deb = made.find((file) => file.endsWith('.deb')) ?? '';
  const tried = inThrowAwaySystem('true');
  unable = tried.status === 0 ? undefined : `no mount namespace with overlays here: ${tried.stderr.trim()}`;
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function has(tool: string): boolean {
  return run(['sh', '-c', `command -v ${tool}`]).status === 0;
}

/** In a system that knows the package's new version as $2; what the hooks are and do is printed by look. */
function tried(script: string): string {
  const prelude = `
    look() { for hook in vif-bridge network-bridge; do "$S/$hook" --version 2>/dev/null || echo none; done; }
    newer() {
      dpkg-deb -R "$1" /mnt/newer
      sed -i 's/^Version: .*/Version: 99-1/' /mnt/newer/DEBIAN/control
      dpkg-deb --root-owner-group --build /mnt/newer /mnt/newer.deb >/dev/null
    }
    forced() { dpkg_quiet --force-depends "$@"; }
  `;
  const { stdout, stderr } = inThrowAwaySystem(`${prelude}${script}`, deb);
  expect(stderr).toBe('');
  return stdout;
}

/**
 * What a package's recipe does, as a script for bash with the unpacked archive as $1 and the package's tree as $2, which
 * prints the archive's name; and that name where the script does not know it.
 */
function recipeOf(path: string): [script: string, name?: string] {
  if (!path.endsWith('.nix'))
    return [`srcdir=$1 pkgdir=$2; . '${path}'; echo "$source"; cd "$srcdir"; package`];
  const text = readFileSync(path, 'utf8');
  const [, phase = ''] = /installPhase = ''\n(.*?)\n {2}'';/s.exec(text) ?? [];
  const [, number = ''] = /^ {2}version = "(.*)"/m.exec(text) ?? [];
  const [, name = ''] = /src = \.\/\. \+ "\/(.*)";/.exec(text) ?? [];
  const substitute = 'substituteInPlace() { grep -q "$3" "$1" && sed -i "s,$3,$4,g" "$1"; }';
  const script = `${substitute}; out=$2; cd "$1"/*/; ${phase}`;
  return [script, name.replace(/\$\{version\}/, number).replace(/\$\{machine\}/, 'x86_64')];
}

const version = run([join(root, 'dist/xen-network'), '--version'])
  .stdout.split(' ')[1]
  ?.trim();
const OURS = `vif-bridge (xen-network) ${version}\nnetwork-bridge (xen-network) ${version}\n`;

describe('the packages', () => {
  test('are the same byte for byte when they are made again elsewhere', () => {
    expect(digests(make('second-time'))).toEqual(digests(made));
  });

  test('of Debian has nothing that lintian finds fault with', ({ skip }) => {
    skip(!has('lintian'), 'lintian is not installed');
    // The program's code is bytes, among which any few letters may stand: "Wiil" once did.
    const chance = ['--suppress-tags', 'spelling-error-in-binary'];
    const said = run(['lintian', '--tag-display-limit', '0', '-I', '--allow-root', ...chance, deb]);
    expect(said).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  test('of RPM systems has nothing that rpmlint finds fault with, and holds the same files', ({ skip }) => {
    skip(!has('rpmlint') || !has('rpmbuild'), 'rpmlint or rpmbuild is not installed');
    const rpm = made.find((file) => file.endsWith('.rpm')) ?? '';
    const said = run(['rpmlint', '-c', join(root, 'packaging/rpm/rpmlint.toml'), rpm]);
    expect(said.stdout).toContain(' 0 errors, 0 warnings');
    const files = run(['rpm', '-qlp', rpm]).stdout.trim().split('\n');
    const folder = '/usr/share/doc/xen-network';
    const notices = readFileSync(join(root, 'dist/share/doc/xen-network/copyright'), 'utf8');
    expect(files).toContain(`${folder}/copyright`);
    expect(files.includes(`${folder}/LGPL-2.1`)).toBe(notices.includes('under LGPL-2.1-or-later'));
    expect(files.filter((file) => !file.startsWith('/usr/'))).toEqual([]);
  });

  test('of all other systems installs itself', () => {
    const archive = made.find((file) => file.endsWith('.tar.gz')) ?? '';
    const [unpacked, tree] = [join(dir, 'unpacked'), join(dir, 'tree')];
    mkdirSync(unpacked);
    run(['tar', '-xf', archive, '-C', unpacked]);
    const [folder = ''] = readdirSync(unpacked);
    expect(run(['sh', join(unpacked, folder, 'install.sh'), '--destdir', tree])).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(run([join(tree, S, 'vif-bridge'), '--version']).stdout).toBe(
      `vif-bridge (xen-network) ${version}\n`,
    );
    expect(readdirSync(join(tree, 'usr/share/man/man8'))).toContain('vif-bridge.8.gz');
    const completion = readFileSync(join(tree, 'usr/share/bash-completion/completions/xen-network'), 'utf8');
    expect(completion).toBe(run([join(root, 'dist/xen-network'), 'completion', 'bash']).stdout);
  });

  test.each([
    ['alpine/APKBUILD', 'usr/sbin/xen-network', 'etc/init.d/xen-network'],
    ['arch/PKGBUILD', 'usr/bin/xen-network', 'usr/lib/systemd/system/xen-network.service'],
    ['nix/default.nix', 'bin/xen-network', 'lib/systemd/system/xen-network.service'],
  ])('of %s are made from that archive', (source, tool, boot) => {
    const [work, tree] = [join(dir, source.replace('/', '-')), join(dir, `${source.replace('/', '-')}-tree`)];
    const archive = made.find((file) => file.endsWith('.tar.gz')) ?? '';
    mkdirSync(work);
    run(['tar', '-xf', archive, '-C', work]);
    const [script, name] = recipeOf(join(root, 'packaging', source));
    const done = run(['bash', '-ec', script, 'bash', work, tree], {
      env: { ...process.env, CARCH: 'x86_64' },
    });
    expect(done).toMatchObject({ status: 0, stderr: '' });
    expect(name ?? done.stdout.trim()).toBe(archive.split('/').at(-1));
    expect(run([join(tree, tool), '--version']).stdout).toBe(`xen-network ${version}\n`);
    // Arch's /usr/sbin leads to its /usr/bin.
    expect(readFileSync(join(tree, boot), 'utf8')).toContain(
      source.startsWith('nix') ? `${tree}/bin/xen-network` : '/usr/sbin/xen-network',
    );
    expect(run(['find', tree, '-path', '*/scripts/vif-bridge']).stdout.trim().split('\n')).toHaveLength(1);
    expect(run(['find', tree, '-path', '*/etc/xen/*']).stdout).toBe('');
    expect(
      run(['find', tree, '-name', 'copyright', '-o', '-name', '*.cdx.json']).stdout.trim().split('\n'),
    ).toHaveLength(2);
  });

  test('bring their hooks beside the program, and put nothing into the folder of Xen', ({ skip }) => {
    skip(unable !== undefined, unable);
    const out = tried(`
      package 1; dpkg_quiet -i /mnt/1.deb
      state >/mnt/before
      forced -i "$1"
      find "$S" | sort; dpkg-divert --list "$S/*"
      ls /usr/lib/xen-network/scripts
      /usr/lib/xen-network/scripts/vif-bridge --version
      xen-network --version
      dpkg --verify xen-network && echo verified
      forced --purge xen-network
      state | diff /mnt/before - && echo as before
      find /usr/lib/xen-network /usr/sbin/xen-network /usr/share/doc/xen-network 2>/dev/null || echo nothing left`);
    expect(out).toBe(
      `${S}\n${S}/vif-bridge\n${hooks.join('\n')}\nvif-bridge (xen-network) ${version}\nxen-network ${version}\nverified\nas before\nnothing left\n`,
    );
  });

  test('keep enabled hooks through upgrades of both packages, and give the stock scripts back at removal', ({
    skip,
  }) => {
    skip(unable !== undefined, unable);
    const out = tried(`
      package 1; package 2; newer "$1"
      dpkg_quiet -i /mnt/1.deb
      forced -i "$1"
      xen-network hooks enable >/mnt/log
      look
      dpkg_quiet -i /mnt/2.deb
      look
      forced -i /mnt/newer.deb
      look
      forced -i "$1"
      look
      forced --remove xen-network
      "$S/vif-bridge"; ls -A "$S"; dpkg-divert --list "$S/*"
      dpkg --verify stock-scripts && echo verified
      forced -i "$1"
      "$S/vif-bridge"
      xen-network hooks enable >/mnt/log
      look
      forced --purge xen-network
      "$S/vif-bridge"`);
    expect(out).toBe(`${OURS.repeat(4)}stock 2\nvif-bridge\nverified\nstock 2\n${OURS}stock 2\n`);
  });

  test('serve where the scripts of Xen come later, or are purged meanwhile', ({ skip }) => {
    skip(unable !== undefined, unable);
    const out = tried(`
      package 1
      forced -i "$1"
      xen-network hooks enable >/mnt/log
      look
      dpkg_quiet -i /mnt/1.deb
      look
      dpkg_quiet --purge stock-scripts
      look
      dpkg_quiet -i /mnt/1.deb
      forced --purge xen-network
      "$S/vif-bridge"; ls -A "$S"
      dpkg --verify stock-scripts && echo verified`);
    expect(out).toBe(`${OURS.repeat(3)}stock 1\nvif-bridge\nverified\n`);
  });

  test('and install.sh keep out of each other’s way', ({ skip }) => {
    skip(unable !== undefined, unable);
    const out = tried(`forced -i "$1"; sh ${root}/install.sh 2>&1 || echo "status $?"`);
    expect(out).toBe(
      'install.sh: a package has brought /usr/lib/xen-network/xen-network; use that with xen-network hooks enable, or remove it first.\nstatus 1\n',
    );
  });
});
