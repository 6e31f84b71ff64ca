import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOOKS } from '../../bin/hooks.ts';
import { DESCRIBED_HOOKS } from '../../lib/request/described/hooks.ts';
import { entries } from '../../tools/man/help.ts';
import { findBun } from '../support/bun.ts';
import { PLAIN_ENV } from '../support/hosts/namespace.ts';

const root = join(import.meta.dirname, '../..');
const PAGES = readdirSync(join(root, 'man')).map((file) => file.replace(/\.scd$/, ''));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'xen-network-man-'));
  const words = ['tools/man/main.ts', folder];
  const made = spawnSync(findBun(), words, { cwd: root, env: PLAIN_ENV, encoding: 'utf8' });
  expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' });
});

afterAll(() => rmSync(folder, { recursive: true }));

/** A page as man(1) shows it, in lines as long as they may get, so that nothing is broken. */
function shown(page: string): { text: string; stderr: string } {
  const env = { ...PLAIN_ENV, LC_ALL: 'C.UTF-8', MANROFFSEQ: '', MANWIDTH: '80' };
  const file = join(folder, `man${page.slice(-1)}`, `${page}.gz`);
  const checked = spawnSync('man', ['--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z', file], {
    env,
    encoding: 'utf8',
  });
  const wide = { ...env, MANWIDTH: '2000' };
  const read = spawnSync('man', ['-E', 'UTF-8', '-l', file], { env: wide, encoding: 'utf8' });
  return { text: read.stdout, stderr: checked.stderr + read.stderr };
}

describe('the manual', () => {
  test('has a page for every hook, the tool, the list of networks and the whole', () => {
    const hooks = Object.keys(HOOKS).map((hook) => `${hook}.8`);
    const others = ['network-multi-bridge.conf.5', 'xen-network.7', 'xen-network.8'];
    expect([...PAGES].sort()).toEqual([...hooks, ...others].sort());
  });

  test.each(PAGES)('%s: is shown without a warning, with its name and what it is', (page) => {
    const { text, stderr } = shown(page);
    expect(stderr).toBe('');
    expect(text).toMatch(new RegExp(`^NAME\n +${page.slice(0, -2)} - \\S.*`, 'm'));
    expect(text).not.toMatch(/@[A-Z]/);
    // Brackets are closed in the line that opens them.
    const inBrackets = /\[[^[\]\n]*\]/g;
    expect(text.replace(inBrackets, '').replace(inBrackets, '')).not.toMatch(/[[\]]/);
  });

  test.each(Object.entries(DESCRIBED_HOOKS))('%s: its page has every variable', (hook, { variables }) => {
    const { text } = shown(`${hook}.8`);
    for (const { name, values } of variables)
      expect(text).toContain(`\n       ${name}=${values.join('|')}\n`);
  });

  test('xen-network(8) has every command and every option of the tool', () => {
    const help = (...words: string[]) =>
      spawnSync(join(root, 'dist/xen-network'), [...words, '--help'], { env: PLAIN_ENV, encoding: 'utf8' })
        .stdout;
    const { text } = shown('xen-network.8');
    const commands = entries(help(), 'Commands');
    expect(commands.length).toBeGreaterThan(8);
    for (const [usage] of commands) {
      expect(text).toContain(`\n       ${usage}\n`);
      const name = usage.split(' ')[1] ?? '';
      for (const [form] of entries(help(name), 'Options').filter(
        ([word]) => !/^--(?:help|hooks)$/.test(word),
      ))
        expect(text).toContain(form);
    }
  });

  test('refers to pages that there are', () => {
    const others = /^(?:xl|xl\.conf|xl-network-configuration|ovs-vsctl|dpkg-divert)\(/;
    const found = PAGES.flatMap((page) => {
      const text = readFileSync(join(root, 'man', `${page}.scd`), 'utf8');
      return [...text.matchAll(/\*([a-z][a-z.-]+)\*\(([1-8])\)/g)].map(
        ([, name, section]) => `${name}(${section})`,
      );
    });
    const own = PAGES.map((page) => page.replace(/\.(\d)$/, '($1)'));
    expect(found.filter((name) => !own.includes(name) && !others.test(name))).toEqual([]);
  });
});
