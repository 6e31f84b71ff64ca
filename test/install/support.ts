import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** What install.sh printed and how it ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The real program, whose links in the places of hooks are tried. */
export const PROGRAM = join(import.meta.dirname, '../../dist/xen-network');

/** The names of its hooks. */
export const hooks = run([PROGRAM, '--hooks']).stdout.trim().split('\n').sort();

/** A new directory with a blank in its name. */
export function tempDir(): string {
  return mkdtempSync(join(tmpdir(), 'xen-network install '));
}

/** Writes a file with its folders. */
export function writeFile(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
}

/** A small stand-in for the compiled program, of a version of its own; what it does about hooks that does itself. */
export function writeProgram(path: string, version: string): void {
  writeFileSync(
    path,
    `#!/bin/sh
case \${1-} in
  --version) echo 'xen-network ${version}' ;;
  hooks) exec '${PROGRAM}' "$@" ;;
  *) echo "called as \${0##*/}" ;;
esac
`,
  );
  chmodSync(path, 0o755);
}

/** A directory with install.sh and a built program, as the project's own is after `npm run build`. */
export function makeSource(dir: string, version = '1.0.0'): string {
  const source = join(dir, 'the source');
  mkdirSync(join(source, 'dist'), { recursive: true });
  copyFileSync(join(import.meta.dirname, '../../install.sh'), join(source, 'install.sh'));
  cpSync(join(import.meta.dirname, '../../init'), join(source, 'init'), { recursive: true });
  writeProgram(join(source, 'dist/xen-network'), version);
  writeFile(join(source, 'dist/share/doc/xen-network/copyright'), 'whose it is\n');
  return source;
}

/** Runs a command to its end, in a directory and with an environment where given. */
export function run(argv: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Ended {
  const [command = '', ...args] = argv;
  const { status, stdout, stderr } = spawnSync(command, args, { ...options, encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** Runs a source directory's install.sh. */
export function install(source: string, ...args: string[]): Ended {
  return run(['sh', join(source, 'install.sh'), ...args], { cwd: source });
}

/**
 * All that makes up the files under a directory, by path: kind, mode, owner, time of change in nanoseconds, and
 * content or target. Directories are left out, since making and removing a file in one changes its time.
 */
export function snapshot(dir: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(dir, name);
    const stat = lstatSync(path, { bigint: true });
    if (stat.isDirectory()) {
      continue;
    }
    const content = stat.isSymbolicLink()
      ? readlinkSync(path)
      : createHash('sha256').update(readFileSync(path)).digest('hex');
    found[name] = [stat.mode.toString(8), stat.uid, stat.gid, stat.mtimeNs, content].join(' ');
  }
  return found;
}

/** The directories under a directory, sorted. */
export function directories(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => lstatSync(join(dir, name)).isDirectory())
    .sort();
}
