import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { loadNative } from '../../../lib/system/kernel/load-native.ts';
import { findBun } from '../bun.ts';
import { PLAIN_ENV } from '../hosts/namespace.ts';
import { sleep } from '../wait.ts';

const SERVER = join(import.meta.dirname, 'serve-xenstore.ts');
const source = join(import.meta.dirname, 'nohyp.c');
const buildDir = join(import.meta.dirname, '../../../node_modules/.cache/xen-network');

/** A xenstored, under way for a test. */
export interface RunningXenstored {
  /** As its mount namespace sees it. */
  readonly socketPath: string;
  stop(): Promise<void>;
}

/** The daemon of Debian's package xen-utils-VERSION; undefined where it is not installed. */
function findDaemon(): string | undefined {
  return readdirSync('/usr/lib')
    .filter((name) => /^xen-\d/.test(name))
    .map((name) => `/usr/lib/${name}/bin/xenstored`)
    .find((path) => existsSync(path));
}

/** Why Xen's xenstored cannot run on this machine; undefined when it can. */
export function whyNoRealXenstored(): string | undefined {
  if (findDaemon() === undefined)
    return "Xen's xenstored is missing (Debian: apt-get install xen-utils-4.17)";
  if (spawnSync('gcc', ['--version'], { env: PLAIN_ENV }).status !== 0)
    return 'gcc is missing (Debian: apt-get install gcc libc6-dev)';
  return undefined;
}

/**
 * The stand-in for the hypervisor, compiled once for each version of its source.
 * @returns the file
 * @throws Error with what gcc said
 */
export function buildPreload(): string {
  const version = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const library = join(buildDir, `nohyp-${version}.so`);
  if (existsSync(library)) return library;
  mkdirSync(buildDir, { recursive: true });
  // Built beside it and moved, since several test files may do so at once.
  const fresh = `${library}.${process.pid}`;
  const gcc = spawnSync('gcc', ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', fresh, source, '-ldl'], {
    env: PLAIN_ENV,
    encoding: 'utf8',
  });
  if (gcc.status !== 0) throw new Error(`gcc cannot build ${source}: ${gcc.error?.message ?? gcc.stderr}`);
  renameSync(fresh, library);
  return library;
}

/**
 * Starts Xen's own xenstored without a hypervisor and waits until it listens. It dies with the test's process.
 * @param dir where it makes its socket (the daemon's XENSTORED_RUNDIR); made where it is missing. Clients without
 *   XENSTORED_PATH expect /run/xenstored
 * @param enter words before the command that run it in other namespaces without forking (nsenter …)
 * @throws Error when it does not start
 */
export async function startRealXenstored(
  dir: string,
  enter: readonly string[] = [],
): Promise<RunningXenstored> {
  const daemon = findDaemon();
  if (daemon === undefined) throw new Error(whyNoRealXenstored());
  // Xen 4.20's daemon no longer tells when its socket listens; the kernel does, by a flag in this file (unix(7)).
  const listens = 'grep -q " 00010000 .* $XENSTORED_RUNDIR/socket$" /proc/net/unix';
  const tell = `until ${listens}; do kill -0 $$ || exit; sleep 0.01; done 2>/dev/null; echo`;
  const script = `mkdir -p "$XENSTORED_RUNDIR"; (${tell}) & LD_PRELOAD="$1" exec "$2" --no-fork`;
  const [file = '', ...args] = [...enter, 'sh', '-c', script, 'sh', buildPreload(), daemon];
  const child = spawn(file, args, {
    env: { ...PLAIN_ENV, XENSTORED_RUNDIR: dir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text) => (said += text));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('error', reject);
    child.once('close', (status, signal) =>
      reject(new Error(`xenstored ended (${status ?? signal}): ${said}`)),
    );
  });
  return {
    socketPath: join(dir, 'socket'),
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/**
 * Starts the sandbox's xenstored in a process of its own, by libc, and waits until it takes clients.
 * @param socketPath the socket to make
 * @throws Error with what it says when it ends instead
 */
export async function startSandboxXenstored(socketPath: string): Promise<RunningXenstored> {
  const child = spawn(findBun(), [SERVER, socketPath], { stdio: ['ignore', 'inherit', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => (said += text));
  const ended = once(child, 'close');
  await Promise.race([
    isServed(socketPath),
    ended.then(() => {
      throw new Error(said);
    }),
  ]);
  return {
    socketPath,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/**
 * Waits until somebody listens at a socket.
 * @param socketPath its path
 */
export async function isServed(socketPath: string): Promise<void> {
  const native = await loadNative();
  for (;;) {
    try {
      (await native.connectStream(socketPath, 1000)).close();
      return;
    } catch {
      await sleep(10);
    }
  }
}
