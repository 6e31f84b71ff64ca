// The C compiler, and what it is told: by the builds, and by the tests that look whether it heeds it.

import { join } from 'node:path';
import { root, run } from './runtime.ts';

/** QuickJS, whose C files an npm package brings. */
export const quickjs = join(root, 'node_modules/qjsc/deps/quickjs_2021_03_27');

/** Ours is compiled with the compiler's advice; QuickJS is as it is. */
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
 * Static: it starts sooner, runs with any C library, and no LD_ variable of the caller has a say in it. At an address
 * that nobody knows beforehand; what the loader has put right is read-only from then on, and no stack is executable.
 */
export const LINK_FLAGS = [
  '-static-pie',
  '-s',
  '-Wl,-z,relro,-z,now,-z,noexecstack',
  // Where a table leads to the stack's pages all the same, the linker says so and stops.
  '-Wl,--fatal-warnings',
];

/**
 * What C files are compiled with.
 * @param work the folder that holds what the build makes, whose name is not to be found in the program
 */
export function compileFlags(work: string): string[] {
  return [
    '-O2',
    '-D_GNU_SOURCE',
    // BigInt is part of what QuickJS calls its big numbers.
    '-DCONFIG_BIGNUM',
    '-DCONFIG_VERSION="2021-03-27"',
    `-isystem${quickjs}`,
    // QuickJS counts on numbers that wrap round.
    '-fwrapv',
    '-fPIE',
    '-fstack-protector-strong',
    '-fstack-clash-protection',
    '-U_FORTIFY_SOURCE',
    '-D_FORTIFY_SOURCE=2',
    // The same bytes wherever and whenever they are made.
    `-ffile-prefix-map=${root}=.`,
    ...(work === '' ? [] : [`-ffile-prefix-map=${work}=work`]),
    '-Werror=date-time',
  ];
}

/**
 * The C compiler's name.
 * @throws Error without one, or without the static C library
 */
export async function findCompiler(): Promise<string> {
  for (const name of ['cc', 'gcc', 'clang']) {
    const found = await run({ nothrow: true })`${name} -print-file-name=libc.a`;
    if (found.exitCode === 0 && found.stdout.trim().startsWith('/')) return name;
  }
  throw new Error('No C compiler with a static C library is here: apt-get install gcc libc6-dev');
}
