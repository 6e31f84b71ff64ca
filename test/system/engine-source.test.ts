import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Place, pinnedFile, QUICKJS } from '../../tools/engine-source.ts';
import { findBun } from '../support/bun.ts';
import { PLAIN_ENV } from '../support/hosts/namespace.ts';

const root = join(import.meta.dirname, '../..');
const TEXT = 'the right file';
const PINNED = { file: 'engine.tar.xz', sha256: sha256(TEXT) };
let folder: string;
/** The names of the places that were asked, in their order. */
let asked: string[];

beforeEach(() => {
  // On the file system of node_modules.
  folder = mkdtempSync(join(root, 'dist/engine-source-'));
  asked = [];
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A place that has a text; one that cannot be reached where there is none. */
function place(name: string, text?: string): Place {
  return {
    name,
    get: async (to) => {
      asked.push(name);
      if (text === undefined) throw new Error('nobody answers');
      writeFileSync(to, text);
    },
  };
}

function find(places: readonly Place[], byHand?: string): Promise<string> {
  return pinnedFile(PINNED, join(folder, 'kept'), byHand, async () => places);
}

describe("the engine's source", () => {
  test('comes from the first place that has the pinned file, and is fetched once', async () => {
    const places = [place('away'), place('other', 'another file'), place('right', TEXT), place('late', TEXT)];
    const path = await find(places);
    expect(path).toBe(join(folder, 'kept', PINNED.file));
    expect(readFileSync(path, 'utf8')).toBe(TEXT);
    expect(asked).toEqual(['away', 'other', 'right']);
    expect(await find(places)).toBe(path);
    expect(asked).toHaveLength(3);
    expect(readdirSync(join(folder, 'kept'))).toEqual([PINNED.file]);
  });

  test('is fetched again where the copy that was kept has changed', async () => {
    const path = await find([place('right', TEXT)]);
    writeFileSync(path, 'damaged');
    expect(readFileSync(await find([place('right', TEXT)]), 'utf8')).toBe(TEXT);
    expect(asked).toEqual(['right', 'right']);
  });

  test('is refused from all places that have another file, each with its reason and the way out', async () => {
    const other = 'another file';
    const refusal = await find([place('away'), place('other', other)]).catch((failed) => failed.message);
    expect(refusal).toContain('engine.tar.xz could not be fetched.\n  away: nobody answers\n  other: ');
    expect(refusal).toContain(`whose sha256 is ${sha256(other)}\n`);
    expect(refusal).toMatch(
      /Copy it from there and name it: XEN_NETWORK_ENGINE=\S+engine\.tar\.xz npm run build$/,
    );
    expect(readdirSync(join(folder, 'kept'))).toEqual([]);
  });

  test('is taken from a file that was named by hand, and from nowhere else then', async () => {
    const file = join(folder, 'by hand');
    writeFileSync(file, TEXT);
    expect(readFileSync(await find([place('right', TEXT)], file), 'utf8')).toBe(TEXT);
    writeFileSync(file, 'another file');
    await expect(find([place('right', TEXT)], file)).rejects.toThrow(
      `whose sha256 is ${sha256('another file')}; the engine's source engine.tar.xz has ${PINNED.sha256}.`,
    );
    await expect(find([place('right', TEXT)], join(folder, 'none'))).rejects.toThrow('which cannot be read');
    expect(asked).toEqual([]);
  });
});

/** Builds in a folder of its own that has no source of the engine yet. */
function build(file: string) {
  const twin = join(folder, 'twin');
  for (const name of ['bin', 'lib', 'scripts', 'tools', 'package.json', 'LICENSE', 'packaging'])
    cpSync(join(root, name), join(twin, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(twin, 'node_modules'));
  const env = { ...PLAIN_ENV, XEN_NETWORK_ENGINE: file };
  const { status, stderr } = spawnSync(findBun(), ['tools/build.ts'], { cwd: twin, env, encoding: 'utf8' });
  return { status, stderr, made: readdirSync(twin), source: join(twin, '.engine') };
}

describe('a build', () => {
  test('ends by a sentence where the file that was named by hand is another one', () => {
    const { status, stderr } = build(join(root, 'LICENSE'));
    expect(status).toBe(1);
    expect(stderr).toMatch(/^build: XEN_NETWORK_ENGINE names \S+, whose sha256 is [^\n]+\n$/);
  });

  test('needs no place where the file was named by hand', () => {
    const kept = join(root, '.engine', QUICKJS.file);
    const { status, stderr, made, source } = build(kept);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(made).toContain('dist');
    expect(readdirSync(source).sort()).toEqual([expect.stringMatching(/^quickjs-2025-04-26-/), QUICKJS.file]);
  });
});
