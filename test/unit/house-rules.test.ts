import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

interface Import {
  readonly target: string;
  readonly typeOnly: boolean;
}

/** Every module that a source text names, written as it stands there. */
function importsOf(text: string): Import[] {
  const found: Import[] = [];
  const statements = /^\s*(?:import\s*|(?:import|export)\s+(type\s)?[^'"();=]*?\bfrom\s*)(['"])([^'"]+)\2/gm;
  for (const match of text.matchAll(statements)) {
    found.push({ target: match[3] ?? '', typeOnly: match[1] !== undefined });
  }
  for (const match of text.matchAll(/\b(?:import|require)\(\s*(['"])([^'"]+)\1/g)) {
    found.push({ target: match[2] ?? '', typeOnly: false });
  }
  return found;
}

/** The project's sources under a folder, as paths from the project's root. */
function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
    .sort();
}

/** `file -> what it imports` for each import that is not allowed, with local targets as paths from the root. */
function offenders(
  files: readonly string[],
  allowed: (target: string, typeOnly: boolean) => boolean,
): string[] {
  return files.flatMap((file) =>
    importsOf(readFileSync(join(root, file), 'utf8'))
      .map(({ target, typeOnly }) => ({
        target: target.startsWith('.') ? relative(root, join(root, dirname(file), target)) : target,
        typeOnly,
      }))
      .filter(({ target, typeOnly }) => !allowed(target, typeOnly))
      .map(({ target }) => `${file} -> ${target}`),
  );
}

function under(file: string, ...folders: string[]): boolean {
  return folders.some((folder) => file.startsWith(`${folder}/`));
}

/** This file, which has imports and citations as examples. */
const RULES = 'test/unit/house-rules.test.ts';

/** The headings that a text cites, and as it stands there whatever means the contract and names no heading. */
function citations(text: string): string[] {
  const found = text.matchAll(/docs\/contract\.md((?:(?:,| and) "[^"]+")*)|\bcontract \d/g);
  return [...found].flatMap(([whole, list = '']) => {
    const headings = [...list.matchAll(/"([^"]+)"/g)].map(([, heading = '']) => heading);
    return headings.length === 0 ? [whole] : headings;
  });
}

/** The project's texts for people. */
function documents(): string[] {
  const own = readdirSync(root).filter((name) => name.endsWith('.md'));
  return [...own, ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((name) =>
    name.endsWith('.md'),
  );
}

/** How a text's headings are called in links to them, as GitHub has it. */
function anchors(text: string): string[] {
  const headings: readonly string[] = text.match(/(?<=^#+ ).+$/gm) ?? [];
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** What the glossary says that a word is not called: each as its words, in small letters. */
function unwanted(): string[][] {
  const [, glossary = ''] = readFileSync(join(root, GLOSSARY), 'utf8').split('\n## Words\n');
  const rows = (glossary.split('\n## ')[0] ?? '').matchAll(/^\|[^|]*\|[^|]*\| ([a-z ,]+) \|$/gm);
  return [...rows].flatMap(([, names = '']) => names.split(', ').map((name) => name.split(' ')));
}

/** The words of a text in small letters, those that names are put together of too; plurals as singulars. */
function wordsOf(text: string): string[] {
  const parts = text.replace(/([a-z0-9])([A-Z])/g, '$1 $2').match(/[A-Za-z]+/g) ?? [];
  return parts.map((part) => part.toLowerCase().replace(/(?<=[a-z]{3})s$/, ''));
}

/** A line holds one of the words, but for what others call so, as iproute2 its "guard on". */
function holds(line: string, names: readonly string[][]): boolean {
  const words = wordsOf(line.replace(OTHERS, ''));
  return names.some((name) =>
    words.some((_, at) => name.every((word, i) => words[at + i] === word.replace(/(?<=[a-z]{3})s$/, ''))),
  );
}

const GLOSSARY = 'docs/architecture.md';
/** They know how an earlier version called things in its files. */
const FORMER = ['lib/record/sealed.ts', 'test/unit/record/sealed.test.ts'];
/** Words of other programs, and what was there before a name was changed: paths on running hosts. */
const OTHERS =
  /\bguard on\b|\bbpdu[ _]guard\b|\b\w+_guard\b|\b(?:claim|release)_lock\b|udevadm', 'settle'|[`/]ledger\b|\bor claims for\b/gi;

/** A file or folder of the project that a text names, up to a placeholder in capitals, "<" or "*". */
const NAMED = /(?<![\w./-])((?:bin|docs|lib|scripts|test|tools)\/[a-z0-9./_-]*[a-z0-9_])(?![\w<*])/g;

/** Beside what is listed here, `process` has nothing there. */
const LACKING =
  /\bprocess\.(?!(?:argv0?|env|pid|arch|execPath|on|once|exit|exitCode|versions)\b)\w+|\b(?:Buffer|Bun|Intl|URL|setInterval|structuredClone|AbortController|fetch)\b[.(]/g;

const program = [...sources('bin'), ...sources('lib'), ...sources('scripts')];
/** Folders that have no effect on the host. */
const PURE = ['lib/request', 'lib/wire', 'lib/record', 'lib/filter', 'lib/plan', 'lib/desk'];
/** The floors of the house, the lowest first: each imports from its own and from those below. */
const FLOORS = [
  'lib/errors.ts',
  'lib/text.ts',
  'lib/request',
  'lib/wire',
  'lib/record',
  'lib/filter',
  'lib/engine',
  'lib/system',
  'lib/observe',
  'lib/plan',
  'lib/desk',
  'lib/apply',
  'lib/hook',
  'lib/sandbox',
  'scripts',
  'bin',
];

function floorOf(file: string): number {
  return FLOORS.findIndex((floor) => file === floor || file.startsWith(`${floor}/`));
}

function isLocal(target: string): boolean {
  return /^(?:bin|lib|scripts)\//.test(target);
}

/** The project's own modules that a file imports, as paths from the project's root. */
function localImports(file: string): string[] {
  return importsOf(readFileSync(join(root, file), 'utf8'))
    .filter(({ target }) => target.startsWith('.'))
    .map(({ target }) => relative(root, join(root, dirname(file), target)));
}

describe('the house rules', () => {
  test('no duration is measured by the wall clock, which may be set meanwhile', () => {
    // Files' times are by that clock, and are compared with when a server began.
    const files = program.filter((file) => file !== 'lib/system/processes/clock.ts');
    const found = files.filter((file) => /\bDate\b[.(]/.test(readFileSync(join(root, file), 'utf8')));
    expect(found).toEqual([]);
  });

  test('imports are recognised in every form', () => {
    const text = [
      "import a from 'a';",
      "import type { B } from './b.ts';",
      "import {\n  c,\n  d,\n} from '../c.ts';",
      "import 'e';",
      "export * from './f.ts';",
      "export type { G } from 'g';",
      "const h = await import('h');",
      "export const i = 'not from here';",
      "// the import of 'j' is only spoken of",
    ].join('\n');
    expect(importsOf(text)).toEqual([
      { target: 'a', typeOnly: false },
      { target: './b.ts', typeOnly: true },
      { target: '../c.ts', typeOnly: false },
      { target: 'e', typeOnly: false },
      { target: './f.ts', typeOnly: false },
      { target: 'g', typeOnly: true },
      { target: 'h', typeOnly: false },
    ]);
  });

  test('nothing imports upward', () => {
    const found = program.flatMap((file) =>
      offenders([file], (target) => !isLocal(target) || floorOf(target) <= floorOf(file)),
    );
    expect(found).toEqual([]);
    expect(program.filter((file) => floorOf(file) < 0)).toEqual([]);
  });

  test('what plans and filters knows of observing and doing by their types alone', () => {
    const effects = ['lib/observe', 'lib/system', 'lib/apply', 'lib/hook'];
    const files = program.filter((file) => under(file, ...PURE));
    expect(files.length).toBeGreaterThan(30);
    expect(offenders(files, (target, typeOnly) => typeOnly || !under(target, ...effects))).toEqual([]);
  });

  test('no module imports itself by way of others', () => {
    const files = [...program, ...sources('tools'), ...sources('test')];
    const imports = new Map(files.map((file) => [file, localImports(file)]));
    // What imports nothing but what is taken away already goes, until only circles are left.
    for (let before = 0; before !== imports.size; ) {
      before = imports.size;
      for (const [file, targets] of imports)
        if (!targets.some((target) => imports.has(target))) imports.delete(file);
    }
    // What merely leads to a circle is part of none.
    for (let before = 0; before !== imports.size; ) {
      before = imports.size;
      const wanted = new Set([...imports.values()].flat());
      for (const file of imports.keys()) if (!wanted.has(file)) imports.delete(file);
    }
    expect([...imports.keys()]).toEqual([]);
  });

  test('a folder of the program can be overlooked', () => {
    const folders = ['lib', ...new Set(program.map(dirname))].map((folder) => ({
      folder,
      entries: readdirSync(join(root, folder)).length,
    }));
    expect(folders.filter(({ entries }) => entries > 14)).toEqual([]);
  });

  test('only lib/system touches files, processes and sockets', () => {
    const files = program.filter((file) => !under(file, 'lib/system'));
    expect(offenders(files, (target, typeOnly) => typeOnly || !/^(?:node|bun)(?::|$)/.test(target))).toEqual(
      [],
    );
  });

  test('what the engine of the compiled program lacks is used in the twins for Node alone', () => {
    const files = program.filter((file) => !/^lib\/system\/node\//.test(file));
    const isLibc = (target: string) => target === 'bun:ffi';
    expect(
      offenders(files, (target, typeOnly) => typeOnly || isLibc(target) || !/^(?:node|bun):/.test(target)),
    ).toEqual([]);
    const found = files.flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      return [...text.matchAll(LACKING)].map(([word]) => `${file}: ${word}`);
    });
    expect(found).toEqual([]);
  });

  test('zx and yargs stay off the hook path', () => {
    const files = program.filter((file) => !under(file, 'scripts/admin'));
    expect(offenders(files, (target) => !/^(?:zx|yargs)(?:\/|$)/.test(target))).toEqual([]);
  });

  test('an error has its name in words, since the build shortens those of classes', () => {
    const nameless = program.flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      const errors = [
        ...text.matchAll(/^(?:export )?class (\w+) (?:extends \w*Error|implements Error) \{/gm),
      ];
      return errors.flatMap(([, name]) =>
        new RegExp(`readonly name(: string)? = '${name}';`).test(text) ? [] : [`${file}: ${name}`],
      );
    });
    expect(nameless).toEqual([]);
    expect(readFileSync(join(root, 'lib/errors.ts'), 'utf8').match(/^export class /gm)).toHaveLength(8);
  });

  test('a hook has at most 200 lines, any other module at most 300', () => {
    const tooLong = [...program, ...sources('tools')].filter((file) => {
      const lines = readFileSync(join(root, file), 'utf8').trimEnd().split('\n').length;
      return lines > (dirname(file) === 'scripts' ? 200 : 300);
    });
    expect(tooLong).toEqual([]);
  });

  test('every heading of docs/contract.md that a comment cites is there, and no other way to cite it is used', () => {
    const headings: readonly string[] =
      readFileSync(join(root, 'docs/contract.md'), 'utf8').match(/(?<=^## ).+$/gm) ?? [];
    // What tries the documents names them, and cites none.
    const files = [...program, ...sources('tools'), ...sources('test')].filter(
      (file) => file !== RULES && !under(file, 'test/docs'),
    );
    const cited = files.flatMap((file) => {
      // A citation may go on behind the "*" or "//" of the next line.
      const text = readFileSync(join(root, file), 'utf8').replace(/\s*\n\s*(?:\*|\/\/)?\s*/g, ' ');
      return citations(text).map((heading) => ({ file, heading }));
    });
    expect(cited.length).toBeGreaterThan(50);
    expect(cited.filter(({ heading }) => !headings.includes(heading))).toEqual([]);
  });

  test('citations are recognised', () => {
    expect(
      citations('(docs/contract.md, "xenstore"), (docs/contract.md, "vifname" and "VLANs"; RFC 4861)'),
    ).toEqual(['xenstore', 'vifname', 'VLANs']);
    expect(citations('(contract 3), docs/contract.md')).toEqual(['contract 3', 'docs/contract.md']);
  });

  test('a word for which the glossary has another one is used nowhere', () => {
    const names = unwanted();
    expect(names.length).toBeGreaterThan(5);
    const files = [...program, ...sources('tools'), ...sources('test'), ...documents(), 'install.sh'].filter(
      (file) => file !== RULES && !FORMER.includes(file),
    );
    const found = files.flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      const own = file === GLOSSARY ? text.replace(/\n## Words\n[\s\S]*?(?=\n## )/, '') : text;
      const lines = own.split('\n').flatMap((line, at) => (holds(line, names) ? [`${file}:${at + 1}`] : []));
      return holds(file, names) ? [file, ...lines] : lines;
    });
    expect(found).toEqual([]);
  });

  test('names are taken apart into words', () => {
    expect(wordsOf("takeOver('guards', unguardPort)")).toEqual(['take', 'over', 'guard', 'unguard', 'port']);
    expect(holds('const copySettings = 1;', [['copy', 'settings']])).toBe(true);
    expect(holds('the settled state', [['settle']])).toBe(false);
  });

  test('what the documents link to, and the files that they name, are there', () => {
    const found = documents().flatMap((document) => {
      const text = readFileSync(join(root, document), 'utf8');
      const isMissing = (target: string) => {
        const [path = '', heading] = target.split('#');
        const file = path === '' ? document : join(dirname(document), path);
        if (!existsSync(join(root, file))) return true;
        return heading !== undefined && !anchors(readFileSync(join(root, file), 'utf8')).includes(heading);
      };
      const links = [...text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, target = '']) => target);
      const named = [...text.matchAll(NAMED)].map(([, path = '']) => path);
      const lost = [...links.filter(isMissing), ...named.filter((path) => !existsSync(join(root, path)))];
      return lost.map((target) => `${document}: ${target}`);
    });
    expect(found).toEqual([]);
  });

  test('every file that makes an error is in the table of docs/architecture.md', () => {
    const text = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
    const [, table = ''] = text.split('\n## From a sentence to the line that makes it\n');
    const rows = table.split('\n## ')[0] ?? '';
    const isNamed = (file: string) =>
      rows.includes(`\`${file}\``) ||
      (rows.includes(`\`${dirname(file)}\``) && rows.includes(`\`${basename(file)}\``));
    const makers = program
      .filter((file) => under(file, 'lib/observe', 'lib/plan', 'lib/apply', 'lib/hook'))
      .filter((file) => /\bnew [A-Z]\w*Error\(/.test(readFileSync(join(root, file), 'utf8')));
    expect(makers.length).toBeGreaterThan(20);
    expect(makers.filter((file) => !isNamed(file))).toEqual([]);
  });

  test('package-lock.json names no registry', () => {
    expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toContain('"resolved"');
  });
});
