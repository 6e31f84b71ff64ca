import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { releasedFiles, VERSION_FILES, versionsOf } from '../../tools/release/version.ts';
import { type Ended, run } from '../install/support.ts';
import { findBun } from '../support/bun.ts';

const PROJECT = join(import.meta.dirname, '../..');
const NOTES = '# Changelog\n\n## [Unreleased]\n\n### Added\n\n- Something.\n';
/** What the tests of the packages are here: they leave what the real ones build. */
const BUILD = 'mkdir -p dist && cp package.json dist/xen-network_1.deb';
let dir: string;

const git = (...words: string[]): string => run(['git', '-C', dir, ...words]).stdout;
const release = (version: string): Ended =>
  run([findBun(), join(PROJECT, 'tools/release/main.ts'), version], { cwd: dir, env: GIT });
const GIT = {
  ...process.env,
  GIT_AUTHOR_NAME: 'someone',
  GIT_AUTHOR_EMAIL: 'someone@example.org',
  GIT_COMMITTER_NAME: 'someone',
  GIT_COMMITTER_EMAIL: 'someone@example.org',
};

function write(file: string, text: string): void {
  mkdirSync(dirname(join(dir, file)), { recursive: true });
  writeFileSync(join(dir, file), text);
}

/** A project of its own with the files in which a version stands. */
function makeProject(notes: string, build = BUILD): void {
  const manifest = { name: 'project', version: '0.9.0', scripts: { 'test:package': build } };
  write('package.json', `${JSON.stringify(manifest, null, 2)}\n`);
  const lock = {
    name: 'project',
    version: '0.9.0',
    lockfileVersion: 3,
    packages: { '': { name: 'project', version: '0.9.0' } },
  };
  write('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
  for (const file of ['packaging/alpine/APKBUILD', 'packaging/arch/PKGBUILD', 'packaging/nix/default.nix'])
    write(
      file,
      readFileSync(join(PROJECT, file), 'utf8').replace(/^(pkgver=| {2}version = ")[\d.]+/m, '$10.9.0'),
    );
  write('CHANGELOG.md', notes);
  write('.gitignore', 'dist\nnode_modules\n');
  run(['git', 'init', '-q', dir]);
  git('add', '-A');
  run(['git', '-C', dir, 'commit', '-qm', 'first'], { env: GIT });
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'xen-network-release-test-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('npm run release', () => {
  test('sets the version everywhere, builds from what git has, and tags the commit', () => {
    makeProject(NOTES);
    write('dist/left', 'by another build');
    const { status, stdout, stderr } = release('0.10.0');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('Version 0.10.0 is committed and tagged');
    expect(git('status', '--porcelain')).toBe('');
    expect(git('log', '-1', '--format=%s %D')).toMatch(/^Release 0\.10\.0 .*tag: v0\.10\.0/);
    expect(git('worktree', 'list').trim().split('\n')).toHaveLength(1);
    const files = Object.fromEntries(
      VERSION_FILES.map((file) => [file, readFileSync(join(dir, file), 'utf8')]),
    );
    expect(versionsOf(files).map(([, version]) => version)).toEqual(Array(6).fill('0.10.0'));
    expect(files['CHANGELOG.md']).toMatch(
      /## \[Unreleased\]\n\n## \[0\.10\.0\] - \d{4}-\d\d-\d\d\n\n### Added\n\n- Something\.\n/,
    );
    expect(readFileSync(join(dir, 'dist/xen-network_1.deb'), 'utf8')).toContain('"0.10.0"');
  });

  test('leaves nothing behind where the packages fail their tests', () => {
    makeProject(NOTES, 'exit 7');
    const { status, stderr } = release('1.0.0');
    expect(status).toBe(1);
    expect(stderr).toContain('release: version 1.0.0 was not made, and nothing was changed: ');
    expect(git('log', '--format=%s')).toBe('first\n');
    expect(git('tag')).toBe('');
    expect(git('status', '--porcelain')).toBe('');
    expect(git('worktree', 'list').trim().split('\n')).toHaveLength(1);
  });

  test.each([
    [
      'a dirty tree',
      '1.0.0',
      NOTES,
      'The tree has changes that are not committed: commit or remove them.\n?? new',
    ],
    ['the same version', '0.9.0', NOTES, 'Version 0.9.0 is not greater than 0.9.0, which is there.'],
    ['a smaller version', '0.8.9', NOTES, 'Version 0.8.9 is not greater than 0.9.0, which is there.'],
    ['no version', 'v1', NOTES, '"v1" is no version; say three numbers, as in "npm run release -- 1.0.0".'],
    [
      'nothing new',
      '1.0.0',
      '# Changelog\n\n## [Unreleased]\n\n## [0.9.0] - 2026-01-01\n\n- Old.\n',
      'CHANGELOG.md has nothing under "Unreleased": say what the version brings.',
    ],
  ])('refuses %s', (what, version, notes, sentence) => {
    makeProject(notes);
    if (what === 'a dirty tree') write('new', '');
    expect(release(version)).toEqual({ status: 1, stdout: '', stderr: `release: ${sentence}\n` });
    expect(git('log', '--format=%s')).toBe('first\n');
  });
});

describe('this project', () => {
  const files = Object.fromEntries(
    VERSION_FILES.map((file) => [file, readFileSync(join(PROJECT, file), 'utf8')]),
  );

  test('has one version in all places', () => {
    const found = versionsOf(files);
    expect(new Set(found.map(([, version]) => version)).size).toBe(1);
    expect(found[0]?.[1]).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test('has it in all of them after a release', () => {
    const after = releasedFiles(files, '7.8.9', '2030-01-31');
    expect(versionsOf(after).map(([, version]) => version)).toEqual(Array(6).fill('7.8.9'));
    expect(after['CHANGELOG.md']).toContain('## [Unreleased]\n\n## [7.8.9] - 2030-01-31\n');
    for (const file of VERSION_FILES) expect(after[file]).not.toBe(files[file]);
  });
});
