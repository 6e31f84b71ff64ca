import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseXlFile } from '../../lib/wire/config/xl-config.ts';
import { compile } from '../support/kernel/compile.ts';
import { freshSeed, pick, type Random, randomNumbers } from '../support/random.ts';

const SEEDS = [
  'name="web"\nmemory = 512\nvif = [ \'mac=00:16:3e:00:00:01,bridge=xenbr0\', "ip=1.2.3.4" ]\n',
  'disk=[\n"a", # c\n"b",\n]\n;x=1;y="\\n\\\\"\nz+=[1]\n',
  'a=[[1,"b"],[]]\nb=0x1f\nvif.default.script="vif-bridge"\n# end\n',
] as const;
// In pairs where half of it is another thing.
const PARTS = [
  '"',
  "'",
  '[',
  ']',
  ',',
  '=',
  '+=',
  '\n',
  '#',
  ' ',
  '\\',
  ';',
  'a',
  '1',
  'x',
  'A',
  '.',
  '-',
  '\t',
  '\r',
  'é',
  '0',
  'n',
  '\\n',
  '\\101',
  '\\7',
  '\v',
] as const;

/** The library that xl reads its files with, by Debian's place. */
function library(): string | undefined {
  const folder = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
  const name = readdirSync(folder).find((each) => /^libxlutil\.so\.\d/.test(each));
  return name === undefined ? undefined : `${folder}/${name}`;
}

function changed(random: Random, text: string): string {
  let result = text;
  for (let changes = random(5); changes > 0; changes--) {
    const at = random(result.length + 1);
    const put = random(3) === 0 ? '' : pick(random, PARTS);
    result = random(8) === 0 ? result.slice(0, at) : result.slice(0, at) + put + result.slice(at + random(2));
  }
  return result;
}

test("what xl's own reader takes is taken here, and nothing else", (context) => {
  const path = library();
  context.skip(path === undefined, 'libxlutil is not installed');
  const random = randomNumbers(freshSeed("xl's reader"));
  const texts = [
    ...Array.from({ length: 5000 }, () => changed(random, pick(random, SEEDS))),
    ...Array.from({ length: 5000 }, () =>
      Array.from({ length: random(15) }, () => pick(random, PARTS)).join(''),
    ),
  ];
  const input = texts.map((text) => `${Buffer.byteLength(text)}\n${text}`).join('');
  const ran = spawnSync(compile('xl-config', []), [path ?? ''], { input, encoding: 'utf8' });
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  const theirs = ran.stdout.trimEnd().split('\n');
  expect(theirs).toHaveLength(texts.length);
  expect(theirs.filter((line) => line !== 'no').length).toBeGreaterThan(500);
  const differing = texts.flatMap((text, i) =>
    ours(text) === theirs[i] ? [] : [{ text, theirs: theirs[i] }],
  );
  expect(differing).toEqual([]);
});

/** The line of xl-config.c for a text, by our reader. */
function ours(text: string): string {
  const { settings, faults } = parseXlFile(text);
  if (faults.length > 0) return 'no';
  const values = ['a', 'x', 'y'].map((name) => {
    const value = settings.findLast((setting) => setting.name === name)?.value;
    return value?.kind === 'atom' ? `=${Buffer.from(value.text).toString('hex')}` : '-';
  });
  return `yes ${values.join(' ')}`;
}
