import { rmSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Ended, hooks, makeSource, tempDir } from './support.ts';
import { inThrowAwaySystem as inThrowAway } from './throw-away.ts';

let dir: string;
let source: string;
let unable: string | undefined;

function inThrowAwaySystem(script: string): Ended {
  return inThrowAway(script, source);
}

beforeAll(() => {
  dir = tempDir();
  source = makeSource(dir);
  const tried = inThrowAwaySystem('true');
  unable = tried.status === 0 ? undefined : `no mount namespace with overlays here: ${tried.stderr.trim()}`;
});

afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

beforeEach((context) => {
  context.skip(unable !== undefined, unable);
});

describe('install.sh on a Debian system', () => {
  test('diverts every hook, keeps packaged and other scripts, and puts all of it back', () => {
    const ended = inThrowAwaySystem(`
      package 1
      dpkg_quiet -i /mnt/1.deb
      printf 'not from a package\\n' >"$S/vif-route"
      chmod 640 "$S/vif-route"
      state >/mnt/before
      install "$1" >/mnt/log
      ls "$S"
      for hook in ${hooks.join(' ')}; do dpkg-divert --listpackage "$S/$hook"; done
      "$S/vif-bridge"
      "$S/.xen-network-stock/vif-bridge"
      xen-network --version
      install "$1" --uninstall >/mnt/log
      state | diff /mnt/before - && echo as before
      dpkg --verify stock-scripts && echo verified`);
    expect(ended.stderr).toBe('');
    expect(ended.stdout.trim().split('\n')).toEqual([
      ...hooks,
      ...hooks.map(() => 'LOCAL'),
      'called as vif-bridge',
      'stock 1',
      'xen-network 1.0.0',
      'as before',
      'verified',
    ]);
  });

  test('finds the names that packages use when the scripts directory is given through a link', () => {
    const ended = inThrowAwaySystem(`
      package 1
      dpkg_quiet -i /mnt/1.deb
      ln -s "$S" /etc/hooks
      install "$1" --scripts-dir /etc/hooks >/mnt/log
      dpkg-divert --listpackage "$S/vif-bridge"
      "$S/vif-bridge"
      install "$1" --scripts-dir /etc/hooks | tail -n 1
      install "$1" --uninstall >/mnt/log
      dpkg-divert --list "$S/*"
      dpkg --verify stock-scripts && echo verified`);
    expect(ended.stderr).toBe('');
    expect(ended.stdout).toBe(`LOCAL
called as vif-bridge
xen-network 1.0.0 is installed with its hooks in /etc/xen/scripts; there was nothing to change
verified
`);
  });

  test('a second run changes nothing, and --dry-run nothing either', () => {
    const ended = inThrowAwaySystem(`
      package 1
      dpkg_quiet -i /mnt/1.deb
      state >/mnt/stock
      install "$1" --dry-run | grep 'would divert /etc/xen/scripts/vif-bridge '
      state | diff /mnt/stock -
      install "$1" >/mnt/log
      state >/mnt/before
      stat -c %y /var/lib/dpkg/diversions >/mnt/time
      install "$1"
      install "$1" --uninstall --dry-run | grep 'would end the diversion of /etc/xen/scripts/vif-bridge'
      state | diff /mnt/before -
      stat -c %y /var/lib/dpkg/diversions | diff /mnt/time -`);
    expect(ended).toEqual({
      status: 0,
      stderr: '',
      stdout: `would divert /etc/xen/scripts/vif-bridge to /etc/xen/scripts/.xen-network-stock/vif-bridge
xen-network 1.0.0 is installed with its hooks in /etc/xen/scripts; there was nothing to change
would end the diversion of /etc/xen/scripts/vif-bridge
`,
    });
  });

  test('survives an upgrade and a purge of the package, and puts the upgraded script back', () => {
    const ended = inThrowAwaySystem(`
      package 1
      package 2
      dpkg_quiet -i /mnt/1.deb
      install "$1" >/mnt/log
      dpkg_quiet -i /mnt/2.deb
      "$S/vif-bridge"
      install "$1" --uninstall >/mnt/log
      "$S/vif-bridge"
      dpkg --verify stock-scripts && echo verified
      install "$1" >/mnt/log
      dpkg_quiet --purge stock-scripts
      "$S/vif-bridge"
      "$S/network-bridge"`);
    expect(ended.stderr).toBe('');
    expect(ended.stdout).toBe(
      'called as vif-bridge\nstock 2\nverified\ncalled as vif-bridge\ncalled as network-bridge\n',
    );
  });

  test('a package that comes later leaves our links alone and finds its place after an uninstall', () => {
    const ended = inThrowAwaySystem(`
      package 1
      install "$1" >/mnt/log
      dpkg_quiet -i /mnt/1.deb
      "$S/vif-bridge"
      install "$1" --uninstall >/mnt/log
      "$S/vif-bridge"
      dpkg --verify stock-scripts && echo verified
      dpkg-divert --list "$S/*"
      ls -A "$S"`);
    expect(ended.stderr).toBe('');
    expect(ended.stdout).toBe('called as vif-bridge\nstock 1\nverified\nvif-bridge\n');
  });

  test('a dpkg-divert that fails is reported in one sentence, and the next run completes', () => {
    const ended = inThrowAwaySystem(`
      package 1
      dpkg_quiet -i /mnt/1.deb
      cat >/usr/local/sbin/dpkg-divert <<'EOF'
#!/bin/sh
case $* in *--add*vif-bridge) echo 'dpkg-divert: error: the database is locked' >&2; exit 2 ;; esac
exec /usr/bin/dpkg-divert "$@"
EOF
      chmod 755 /usr/local/sbin/dpkg-divert
      install "$1" >/mnt/log || echo "status $?"
      rm /usr/local/sbin/dpkg-divert
      "$S/vif-bridge"
      install "$1" >/mnt/log
      "$S/vif-bridge"`);
    expect(ended.stdout).toBe('status 1\nstock 1\ncalled as vif-bridge\n');
    expect(ended.stderr).toBe(
      'xen-network: It is not possible to divert /etc/xen/scripts/vif-bridge to /etc/xen/scripts/.xen-network-stock/vif-bridge: ' +
        `dpkg-divert: error: the database is locked.\ninstall.sh: ${source}/dist/xen-network could not enable the hooks.\n`,
    );
  });

  test.each(['--add', '--remove'])('killed after each dpkg-divert %s, the next run goes on', (option) => {
    const ended = inThrowAwaySystem(`
      package 1
      dpkg_quiet -i /mnt/1.deb
      state >/mnt/before
      cat >/usr/local/sbin/dpkg-divert <<'EOF'
#!/bin/sh
/usr/bin/dpkg-divert "$@"
case $* in *${option}*) kill -9 0 ;; esac
EOF
      how=
      if [ ${option} = --remove ]; then
        install "$1" >/mnt/log
        how=--uninstall
      fi
      for hook in ${hooks.join(' ')}; do
        chmod 755 /usr/local/sbin/dpkg-divert
        { setsid -w sh "$1/install.sh" $how >/mnt/log || echo killed; } 2>/dev/null
        "$S/vif-bridge" >/mnt/log
      done
      rm /usr/local/sbin/dpkg-divert
      install "$1" >/mnt/log
      "$S/vif-bridge"
      install "$1" --uninstall >/mnt/log
      state | diff /mnt/before - && echo as before`);
    expect(ended.stderr).toBe('');
    expect(ended.stdout).toBe(`${'killed\n'.repeat(hooks.length)}called as vif-bridge\nas before\n`);
  });
});
