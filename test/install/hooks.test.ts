import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { messageOf } from '../../lib/errors.ts';
import type { Context } from '../../lib/hook/context.ts';
import { nodeNative } from '../../lib/system/node/native-node.ts';
import { openSystem, type System } from '../../lib/system/system.ts';
import { type HooksWord, hooksCommand } from '../../scripts/admin/desk/hooks.ts';
import { type Ended, PROGRAM, run, snapshot, tempDir, writeFile } from './support.ts';

const scripts = 'etc/xen/scripts';
const program = '/usr/lib/xen-network/xen-network';
const names = ['network-bridge', 'vif-bridge', 'vif-route'];

let dir: string;
let root: string;

beforeEach(() => {
  dir = tempDir();
  root = join(dir, 'root');
  writeFile(join(root, program), '', 0o755);
  writeFile(join(root, scripts, 'vif-bridge'), 'stock bridge\n', 0o750);
  symlinkSync('vif-bridge', join(root, scripts, 'vif-route'));
  writeFile(join(root, scripts, 'block'), 'no hook\n', 0o755);
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** Runs the command in this process; status 99 where it was killed. */
function hooks(
  word: HooksWord,
  list: readonly string[] = names,
  system: System = openSystem(nodeNative),
): Ended {
  let [stdout, stderr] = ['', ''];
  const say = (sentence: string) => {
    stderr += `${sentence}\n`;
  };
  const context: Context = {
    hook: 'xen-network',
    argv: [],
    env: {},
    system: { ...system, terminalWidth: () => undefined },
    log: { error: say, warn: say, info: () => {}, flush: () => Promise.resolve() },
    print: (text) => {
      stdout += text;
    },
    interrupted: () => false,
    hooks: {},
    networkHooks: () => Promise.resolve(new Map()),
  };
  try {
    const options = { scriptsDir: `/${scripts}`, root, program, dryRun: false, json: false };
    return { status: hooksCommand(context, word, options, list), stdout, stderr };
  } catch (thrown) {
    return { status: thrown instanceof Killed ? 99 : 2, stdout, stderr: stderr + messageOf(thrown) };
  }
}

class Killed extends Error {}

/** A system that ends the run before or after the Nth command that changes a file. */
function mortal(at: number, when: 'before' | 'after'): System {
  const system = openSystem(nodeNative);
  let count = 0;
  return {
    ...system,
    run(argv, options) {
      const isChange = ['mkdir', 'ln', 'mv', 'rm', 'rmdir', 'dpkg-divert'].includes(argv[0] ?? '');
      if (isChange) count++;
      if (isChange && count === at && when === 'before') throw new Killed();
      const ran = system.run(argv, options);
      if (isChange && count === at) throw new Killed();
      return ran;
    },
  };
}

describe('hooks enable and disable', () => {
  test('converge, and keep the very same stock scripts', () => {
    const stock = snapshot(root);
    expect(hooks('status')).toMatchObject({ status: 1, stderr: '' });
    expect(hooks('enable')).toMatchObject({ status: 0, stderr: '' });
    expect(readlinkSync(join(root, scripts, 'vif-bridge'))).toBe('../../../usr/lib/xen-network/xen-network');
    const enabled = snapshot(root);
    expect(hooks('enable')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(snapshot(root)).toEqual(enabled);
    expect(hooks('status').status).toBe(0);
    expect(hooks('disable')).toMatchObject({ status: 0, stderr: '' });
    expect(snapshot(root)).toEqual(stock);
    expect(hooks('disable')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(existsSync(join(root, scripts, '.xen-network-stock'))).toBe(false);
  });

  test('a version with other hooks links the new ones and gives the dropped ones back', () => {
    const stock = snapshot(root);
    hooks('enable');
    expect(hooks('enable', ['vif-bridge', 'vif-nat']).status).toBe(0);
    const after = snapshot(root);
    expect(after[`${scripts}/vif-route`]).toBe(stock[`${scripts}/vif-route`]);
    expect(existsSync(join(root, scripts, 'network-bridge'))).toBe(false);
    expect(readlinkSync(join(root, scripts, 'vif-nat'))).toContain('xen-network/xen-network');
    hooks('disable', ['vif-bridge', 'vif-nat']);
    expect(snapshot(root)).toEqual(stock);
  });

  test('a script that an upgrade put over a link is left alone and named, and the kept one stays', () => {
    hooks('enable');
    const path = join(root, scripts, 'vif-bridge');
    unlinkSync(path);
    writeFileSync(path, 'new stock bridge\n');
    expect(hooks('status').stdout).toMatch(/^vif-bridge +replaced /m);
    expect(hooks('enable')).toEqual({
      status: 1,
      stdout: '',
      stderr: `${path} is no longer our link and is left alone; move it away and enable the hooks again.\n`,
    });
    expect(hooks('disable').status).toBe(1);
    expect(readFileSync(path, 'utf8')).toBe('new stock bridge\n');
    expect(readFileSync(join(root, scripts, '.xen-network-stock/vif-bridge'), 'utf8')).toBe('stock bridge\n');
    unlinkSync(path);
    expect(hooks('disable').status).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe('stock bridge\n');
  });

  test("a link of a package's own making that leads to the program counts as ours", () => {
    unlinkSync(join(root, scripts, 'vif-route'));
    symlinkSync(program, join(root, scripts, 'vif-route'));
    expect(hooks('enable').stdout).not.toContain('vif-route');
    hooks('disable');
    expect(existsSync(join(root, scripts, 'vif-route'))).toBe(false);
  });

  test('a folder in the place of a hook is refused before anything is done', () => {
    mkdirSync(join(root, scripts, 'network-bridge'));
    const before = snapshot(root);
    expect(hooks('enable')).toEqual({
      status: 2,
      stdout: '',
      stderr: `${join(root, scripts, 'network-bridge')} is a folder; move it away and enable the hooks again.`,
    });
    expect(snapshot(root)).toEqual(before);
  });

  describe.each(['before', 'after'] as const)('killed %s any of their commands', (when) => {
    test('they have the script or the link in place, and the next run completes or takes back the work', () => {
      const stock = files();
      hooks('enable');
      const enabled = files();
      for (const [word, done] of [
        ['enable', enabled],
        ['disable', stock],
      ] as const) {
        const from = word === 'enable' ? 'disable' : 'enable';
        let at = 1;
        for (hooks(from); hooks(word, names, mortal(at, when)).status === 99; at++) {
          for (const name of ['vif-bridge', 'vif-route'])
            expect(existsSync(join(root, scripts, name)), `${name} at ${at}`).toBe(true);
          expect(hooks(word).status, `${word} after ${at}`).toBe(0);
          expect(files(), `${word} after ${at}`).toEqual(done);
          hooks(from);
          hooks(word, names, mortal(at, when));
          expect(hooks(from).status, `${from} after ${at}`).toBe(0);
          expect(files(), `${from} after ${at}`).toEqual(word === 'enable' ? stock : enabled);
        }
        expect(at).toBeGreaterThan(4);
      }
    });
  });
});

/** The files of the tree, without the times of our own links. */
function files(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(snapshot(root)).map(([name, what]) => [
      name,
      what.includes('usr/lib/xen-network') ? what.replace(/ \d+ (\S+)$/, ' $1') : what,
    ]),
  );
}

describe('xen-network hooks', () => {
  const tool = (...words: string[]) => run([PROGRAM, 'hooks', ...words]);
  const there = () => ['--root', root, '--program', program];

  test('status tells how each hook stands, as a table and as JSON', () => {
    expect(tool('status', ...there()).stdout).toMatch(
      /^HOOK +STATE +WHAT IS THERE\nnetwork-bridge +missing +nothing\n/,
    );
    tool('enable', ...there());
    const { status, stdout } = tool('status', '--json', ...there());
    expect(status).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({
      version: 1,
      host: run(['hostname']).stdout.trim(),
      scripts: join(root, scripts),
      program,
    });
    expect(found.hooks).toContainEqual({
      name: 'vif-bridge',
      state: 'enabled',
      path: join(root, scripts, 'vif-bridge'),
      stock: join(root, scripts, '.xen-network-stock/vif-bridge'),
    });
  });

  test('--dry-run tells what would be done, and does nothing', () => {
    const before = snapshot(root);
    const planned = tool('enable', '--dry-run', ...there());
    expect(planned).toMatchObject({ status: 0, stderr: '' });
    expect(snapshot(root)).toEqual(before);
    expect(tool('enable', ...there()).stdout).toBe(planned.stdout.replaceAll(/^would /gm, ''));
  });

  test.each([
    [['status', '--root', 'here'], '--root is "here"; give an absolute path.'],
    [
      ['status', '--scripts-dir', '/a/../b'],
      '--scripts-dir is "/a/../b"; give an absolute path without . and .. in it.',
    ],
    [
      ['status', '--scripts-dir', '/no/such'],
      'There is no folder /no/such; "xen-network hooks enable" makes it.',
    ],
    [['enable', '--program', '/no/such'], 'There is no program /no/such that hooks could lead to.'],
    [
      ['status', '--root', '/usr/share'],
      'This program is not below /usr/share; say by --program what it is called there, such as /usr/lib/xen-network/xen-network.',
    ],
    [
      ['what'],
      'Invalid values: Argument: word, Given: "what", Choices: "enable", "disable", "status". "xen-network --help" shows what there is.',
    ],
    [
      [],
      'Not enough non-option arguments: got 0, need at least 1. "xen-network --help" shows what there is.',
    ],
  ])('%j cannot be done', (words, said) => {
    expect(tool(...words)).toEqual({ status: 2, stdout: '', stderr: `xen-network: ${said}\n` });
  });

  test('only root may change the host', () => {
    const { status, stderr } = run([
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      PROGRAM,
      'hooks',
      'enable',
    ]);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr:
        'xen-network: Only root may enable hooks in /etc/xen/scripts; --dry-run shows what would be done.\n',
    });
  });
});
