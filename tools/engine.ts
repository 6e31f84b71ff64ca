// Compiles TypeScript to a program: QuickJS with lib/engine, and the modules as QuickJS's bytecode.

import { FFIType } from 'bun:ffi';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { FUNCTIONS } from '../lib/system/kernel/libc.ts';
import {
  compileFlags,
  findCompiler,
  findLibrary,
  LIBRARIES,
  LINK_FLAGS,
  type Library,
  WARNINGS,
} from './compiler.ts';
import { engineSource, exists, quickjs } from './engine-source.ts';
import { linkedParts, type Part } from './notices.ts';
import { root, run } from './runtime.ts';
import { linkWithSnapshot } from './snapshot.ts';

const own = join(root, 'lib/engine');
const cache = join(root, 'node_modules/.cache/xen-network');

const QUICKJS_FILES = ['quickjs.c', 'libregexp.c', 'libunicode.c', 'cutils.c', 'dtoa.c'];

/**
 * The engine finds objects of one form by the address of their prototype. Relative to the snapshot it is the same in
 * every call, so that the snapshot's objects are found again.
 */
const BY_ADDRESS = `static uint32_t shape_initial_hash(JSObject *proto)
{
    uint32_t h;
    h = shape_hash(1, (uintptr_t)proto);
    if (sizeof(proto) > 4)
        h = shape_hash(h, (uint64_t)(uintptr_t)proto >> 32);
    return h;
}
`;
const BY_DISTANCE = `static uintptr_t address_base;

void JS_SetAddressBase(const void *base)
{
    address_base = (uintptr_t)base;
}

static uint32_t shape_initial_hash(JSObject *proto)
{
    uint64_t distance = proto == NULL ? 0 : (uintptr_t)proto - address_base;
    return shape_hash(shape_hash(1, distance), distance >> 32);
}
`;

/** What no exception is. An operation that fails without memory for its error throws it: null, which lib/errors.ts knows. */
const [NO_VALUE, NULL] = ['current_exception = JS_UNINITIALIZED;', 'current_exception = JS_NULL;'];

/** What is changed in quickjs.c, and how often it is there. */
const CHANGES = [
  { from: BY_ADDRESS, to: BY_DISTANCE, times: 1 },
  { from: NO_VALUE, to: NULL, times: 4 },
];

/** @throws Error when the engine's source is not as expected */
async function sourceText(name: string): Promise<string> {
  const text = await readFile(join(quickjs, name), 'utf8');
  if (name !== 'quickjs.c') return text;
  return CHANGES.reduce((changed, { from, to, times }) => {
    const parts = changed.split(from);
    if (parts.length !== times + 1) throw new Error(`${name} is not as tools/engine.ts expects it.`);
    return parts.join(to);
  }, text);
}

/**
 * Compiles the engine to a library, once for each version of its sources.
 * @param cc the compiler
 * @param libc the C library; the compiler's own unless told
 * @returns the path of the library
 */
export async function engineLibrary(cc: string, libc: Library = { flags: [] }): Promise<string> {
  const flagsIn = (work: string) => [...compileFlags(work), ...libc.flags];
  const hash = createHash('sha256')
    .update((await run`${cc} --version`).stdout)
    // Not the paths: what is made is the same wherever the project lies.
    .update(flagsIn('').join(' ').replaceAll(root, ''));
  for (const name of QUICKJS_FILES) hash.update(await sourceText(name));
  const archive = join(cache, `quickjs-${hash.digest('hex').slice(0, 16)}.a`);
  if (await exists(archive)) return archive;
  process.stdout.write('Compiling the engine, which takes half a minute the first time.\n');
  const work = join(cache, `.quickjs-${process.pid}`);
  await mkdir(work, { recursive: true });
  try {
    const objects = QUICKJS_FILES.map((name) => join(work, name.replace(/c$/, 'o')));
    await Promise.all(
      QUICKJS_FILES.map(async (name, i) => {
        await writeFile(join(work, name), await sourceText(name));
        await run`${cc} ${flagsIn(work)} -w -c ${join(work, name)} -o ${objects[i] ?? ''}`;
      }),
    );
    await run`ar rcs ${join(work, 'library.a')} ${objects}`;
    await rename(join(work, 'library.a'), archive);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return archive;
}

/** The headers that declare the functions. */
const HEADERS = [
  ...['fcntl.h', 'poll.h', 'sched.h', 'signal.h', 'spawn.h', 'stdio.h', 'stdlib.h', 'string.h', 'unistd.h'],
  ...['file', 'ioctl', 'mman', 'resource', 'socket', 'stat', 'syscall', 'time', 'wait', 'xattr'].map(
    (name) => `sys/${name}.h`,
  ),
];
const RESULTS: Readonly<Record<number, string>> = {
  [FFIType.i32]: 'INT',
  [FFIType.i64]: 'LONG',
  [FFIType.i64_fast]: 'LONG',
  [FFIType.ptr]: 'POINTER',
  [FFIType.cstring]: 'TEXT',
};

/** Functions that lib/engine/libc.c has itself, since musl's differ or, like statx before version 1.2.5, are missing. */
const OWN: Readonly<Record<string, string>> = {
  __errno_location: 'errno_location',
  getdents64: 'entries_of',
  open: 'open_file',
  statx: 'status_of',
  strerror: 'error_text',
};

/** The table of libc.ts's functions in C. */
function functionTable(): string {
  const rows = Object.entries(FUNCTIONS).map(([name, { returns }]) => {
    return `{"${name}", (void *)${OWN[name] ?? name}, ${RESULTS[returns]}},`;
  });
  const includes = HEADERS.map((name) => `#include <${name}>`);
  const lines = [
    '#include "engine.h"',
    ...includes,
    'const struct function functions[] = {',
    ...rows,
    '{0}};',
  ];
  return `${lines.join('\n')}\n`;
}

/** What is used in place of modules: paths, by the end of the name that the modules are imported by. */
type StandIns = Readonly<Record<string, string>>;

/** yargs gets everything that depends on the runtime from one module. */
const PLATFORM: StandIns = { '/platform-shims/esm.mjs': join(own, 'yargs-platform.ts') };

function standingIn(standIns: StandIns): Plugin {
  return {
    name: 'stand-ins',
    setup({ onResolve }) {
      onResolve({ filter: /./ }, ({ path }) => {
        const found = Object.entries(standIns).find(([end]) => path.endsWith(end));
        return found && { path: found[1] };
      });
    },
  };
}

/**
 * Turns TypeScript into modules for the engine. Modules that are imported lazily stay separate, so that a hook loads
 * only what it uses.
 * @returns the modules' names, the entry first; the sources that came to be part of them
 */
async function bundle(
  entry: string,
  folder: string,
  standIns: StandIns,
): Promise<{ modules: string[]; inputs: string[] }> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { program: entry },
    outdir: folder,
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    target: 'es2023',
    inject: [join(own, 'prelude.ts')],
    alias: {
      'bun:ffi': join(own, 'ffi.ts'),
      // The part of it that does not depend on a runtime.
      cliui: join(root, 'node_modules/cliui/build/lib/index.js'),
    },
    plugins: [standingIn({ ...PLATFORM, ...standIns })],
    external: ['node:*'],
    logLevel: 'warning',
    metafile: true,
  });
  // Sorted, since the order in a folder depends on the file system.
  const files = (await readdir(folder)).filter((name) => name.endsWith('.js')).sort();
  return {
    modules: ['program.js', ...files.filter((name) => name !== 'program.js')],
    inputs: Object.values(metafile.outputs).flatMap((output) => Object.keys(output.inputs)),
  };
}

/**
 * Compiles a TypeScript program to one static executable file.
 * @param entry its first module, from the project's folder
 * @param out the program's path, in an existing folder; a file there is replaced in one atomic step
 * @param snapshot whether to put a snapshot into it; the entry then sets engine.main, and nothing runs before that
 * @param target the compiler for the machine that is to run it; this one's unless told
 * @param standIns what is used in place of modules besides
 * @returns what is linked into it besides our own
 * @throws BuildError when the compiler is missing; ProcessOutput when it refuses something; as engineSource
 */
export async function compileProgram(
  entry: string,
  out: string,
  {
    snapshot,
    target,
    standIns = {},
  }: {
    readonly snapshot: boolean;
    readonly target?: string | undefined;
    readonly standIns?: StandIns;
  },
): Promise<Part[]> {
  const here = await findCompiler();
  await engineSource();
  const cc = target ?? here;
  const folder = `${out}.${process.pid}`;
  await mkdir(folder);
  await mkdir(cache, { recursive: true });
  try {
    const compile = join(folder, 'compile-modules');
    const hereFlags = [...compileFlags(folder), ...WARNINGS];
    const libc = await findLibrary(cc);
    const flags = [...hereFlags, ...libc.flags];
    const tool = [join(root, 'tools/compile-modules.c'), await engineLibrary(here), ...LIBRARIES];
    await run`${here} ${hereFlags} ${tool} -o ${compile}`;
    const { modules, inputs } = await bundle(entry, folder, standIns);
    const table = await run({ cwd: folder })`${compile} ${modules}`;
    await writeFile(join(folder, 'modules.c'), table.stdout);
    await writeFile(join(folder, 'functions.c'), functionTable());
    const made = ['modules.c', 'functions.c'].map((name) => join(folder, name));
    const sources = ['engine.c', 'fortify.c', 'last-words.c', 'libc.c', 'memory.c', 'snapshot.c'].map(
      (name) => join(own, name),
    );
    const objects = await Promise.all(
      [...sources, ...made].map(async (source) => {
        const object = join(folder, `${basename(source, '.c')}.o`);
        await run`${cc} ${flags} -I${own} -c ${source} -o ${object}`;
        return object;
      }),
    );
    const libraries = [await engineLibrary(cc, libc), ...LIBRARIES];
    // Static: it starts faster, runs with any C library, and ignores the caller's LD_ variables.
    const link = async (room: string) => {
      const program = join(folder, 'program');
      await run`${cc} ${flags} -I${own} ${LINK_FLAGS} ${objects} ${room} ${libraries} -o ${program}`;
      return program;
    };
    await linkWithSnapshot(folder, snapshot && target === undefined, link);
    await rename(join(folder, 'program'), out);
    return await linkedParts(inputs, cc, libc);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
