// The C compiler, the C library and their options, for the builds and for the tests that check their effect.

import { join } from 'node:path';
import { exists, QUICKJS, quickjs } from './engine-source.ts';
import { BuildError, root, run } from './runtime.ts';

/** Warnings for our C code; QuickJS is compiled without. */
export const WARNINGS = [
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wno-unused-parameter',
  '-Wno-deprecated-declarations',
  '-Wno-missing-field-initializers',
];
export const LIBRARIES = ['-lm', '-lpthread'];
/**
 * Static: it starts faster, runs with any C library, and ignores the caller's LD_ variables. Position-independent, so
 * that its address cannot be predicted; relocated data becomes read-only, and no stack is executable.
 */
export const LINK_FLAGS = [
  '-static-pie',
  '-s',
  '-Wl,-z,relro,-z,now,-z,noexecstack',
  // lib/engine/snapshot.c answers while the snapshot is made.
  '-Wl,--wrap=gettimeofday',
  // lib/engine/fortify.c does.
  '-Wl,--wrap=__stack_chk_fail',
  // If a table could still make the stack executable, the linker fails.
  '-Wl,--fatal-warnings',
];

/**
 * The options for compiling C files.
 * @param work the folder of the build, whose name must not be in the program
 */
export function compileFlags(work: string): string[] {
  return [
    '-O2',
    '-D_GNU_SOURCE',
    `-DCONFIG_VERSION="${QUICKJS.version}"`,
    `-isystem${quickjs}`,
    // QuickJS relies on integer overflow that wraps round.
    '-fwrapv',
    '-fPIE',
    '-fstack-protector-strong',
    '-fstack-clash-protection',
    '-U_FORTIFY_SOURCE',
    '-D_FORTIFY_SOURCE=2',
    // The same bytes wherever and whenever the program is built.
    `-ffile-prefix-map=${root}=.`,
    ...(work === '' ? [] : [`-ffile-prefix-map=${work}=work`]),
    '-Werror=date-time',
  ];
}

/**
 * The C compiler's name.
 * @throws BuildError without one, or without the static C library
 */
export async function findCompiler(): Promise<string> {
  for (const name of ['cc', 'gcc', 'clang']) {
    const found = await run({ nothrow: true })`${name} -print-file-name=libc.a`;
    if (found.exitCode === 0 && found.stdout.trim().startsWith('/')) return name;
  }
  throw new BuildError('No C compiler with a static C library is here: apt-get install gcc libc6-dev');
}

/** The C library that a program is linked with. */
export interface Library {
  /** Where it is; undefined for the compiler's own, which is glibc on Debian. */
  readonly folder?: string;
  /** The compiler's options for it. */
  readonly flags: readonly string[];
}

/** glibc comes with its own checks of buffers; musl gets ours. */
const FORTIFY = ['-include', join(root, 'lib/engine/fortify.h')];

/**
 * The C library for programs of a compiler: musl where Debian's musl-dev is installed for that machine, since it starts
 * in a third of the time that glibc takes in a virtual machine (docs/speed.md), else the compiler's own.
 * @param cc the compiler's name
 */
export async function findLibrary(cc: string): Promise<Library> {
  const machine = (await run`${cc} -dumpmachine`).stdout.trim();
  const [, kind] = /^(\w+)-linux-gnu$/.exec(machine) ?? [];
  const folder = `/usr/lib/${kind}-linux-musl`;
  const version = await run({ nothrow: true })`${cc} --version`;
  // Clang takes other options.
  if (kind === undefined || !(await exists(join(folder, 'rcrt1.o'))) || version.stdout.includes('clang'))
    return { flags: [] };
  const own = (await run`${cc} -print-file-name=include`).stdout.trim();
  const headers = ['-nostdinc', '-isystem', `/usr/include/${kind}-linux-musl`, '-isystem', own];
  return { folder, flags: [...headers, `-B${folder}`, ...FORTIFY] };
}
