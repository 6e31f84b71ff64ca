import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hooks, install, makeSource, run, snapshot, tempDir } from './support.ts';

let dir: string;
let source: string;
let root: string;

const scripts = 'etc/xen/scripts';

beforeEach(() => {
  dir = tempDir();
  source = makeSource(dir);
  root = join(dir, 'root');
  mkdirSync(join(root, 'usr/lib'), { recursive: true });
  mkdirSync(join(root, scripts), { recursive: true });
  writeFileSync(join(root, scripts, 'vif-bridge'), 'stock bridge\n', { mode: 0o750 });
  symlinkSync('vif-bridge', join(root, scripts, 'vif-route'));
  // Each command of install.sh that changes a file counts itself, and at the wanted number kills the whole run; those of
  // the program, which changes the hooks, are killed in hooks.test.ts.
  mkdirSync(join(dir, 'bin'));
  for (const command of ['chmod', 'cp', 'ln', 'mkdir', 'mv', 'rm', 'rmdir']) {
    const path = join(dir, 'bin', command);
    writeFileSync(
      path,
      `#!/bin/sh
PATH=\${PATH#*:}
echo >>"$STEPS"
step=$(wc -l <"$STEPS")
[ "$step $WHEN" != "$KILL_AT before" ] || kill -9 0
${command} "$@" || exit
[ "$step $WHEN" != "$KILL_AT after" ] || kill -9 0
`,
    );
    chmodSync(path, 0o755);
  }
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** Runs install.sh and kills it at its Nth command; false when it has fewer and ended by itself. */
function killedAt(at: number, when: 'before' | 'after', ...args: string[]): boolean {
  const steps = join(dir, 'steps');
  writeFileSync(steps, '');
  const env = { ...process.env, PATH: `${join(dir, 'bin')}:${process.env['PATH']}` };
  const ended = spawnSync('setsid', ['-w', 'sh', join(source, 'install.sh'), '--destdir', root, ...args], {
    env: { ...env, STEPS: steps, KILL_AT: String(at), WHEN: when },
    encoding: 'utf8',
  });
  return ended.signal === 'SIGKILL' || ended.status === 137;
}

/** The files of a tree by path, with all that matters of a stock script, but without the times of our own files. */
function files(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(snapshot(root)).map(([name, what]) => {
      const stock = name.startsWith(scripts) && !what.includes('usr/lib/xen-network');
      return [name, stock ? what : what.replace(/ \d+ (\S+)$/, ' $1')];
    }),
  );
}

describe.each(['before', 'after'] as const)('install.sh killed %s any of its commands', (when) => {
  test('has every stock script or our link in place, and the next run completes or takes back the work', () => {
    const pristine = join(dir, 'pristine');
    run(['cp', '-a', root, pristine]);
    const stock = files();
    install(source, '--destdir', root);
    const installed = files();
    install(source, '--destdir', root, '--uninstall');
    expect(files()).toEqual(stock);

    let at = 1;
    for (; killedAt(at, when); at += 1) {
      for (const hook of ['vif-bridge', 'vif-route']) {
        expect(existsSync(join(root, scripts, hook)), `${hook} at step ${at}`).toBe(true);
      }
      const copy = join(dir, 'copy');
      run(['cp', '-a', root, copy]);
      expect(install(source, '--destdir', root).status, `install after step ${at}`).toBe(0);
      expect(files(), `install after step ${at}`).toEqual(installed);
      rmSync(root, { recursive: true });
      run(['cp', '-a', copy, root]);
      expect(install(source, '--destdir', root, '--uninstall').status, `uninstall after step ${at}`).toBe(0);
      expect(files(), `uninstall after step ${at}`).toEqual(stock);
      rmSync(copy, { recursive: true });
      rmSync(root, { recursive: true });
      run(['cp', '-a', pristine, root]);
    }
    expect(at).toBeGreaterThan(7);
    expect(files()).toEqual(installed);
  });

  test('uninstalling, likewise', () => {
    const stock = files();
    install(source, '--destdir', root);
    const installed = files();
    let at = 1;
    for (; killedAt(at, when, '--uninstall'); at += 1) {
      for (const hook of ['vif-bridge', 'vif-route']) {
        expect(existsSync(join(root, scripts, hook)), `${hook} at step ${at}`).toBe(true);
      }
      expect(install(source, '--destdir', root, '--uninstall').status).toBe(0);
      expect(files(), `uninstall after step ${at}`).toEqual(stock);
      expect(install(source, '--destdir', root).status).toBe(0);
      expect(files()).toEqual(installed);
      expect(hooks.every((hook) => lstatSync(join(root, scripts, hook)).isSymbolicLink())).toBe(true);
    }
    expect(at).toBeGreaterThan(3);
    expect(files()).toEqual(stock);
  });
});
