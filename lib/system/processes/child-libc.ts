import { XenNetworkError } from '../../errors.ts';
import { encodeText } from '../../wire/xenstore.ts';
import { heldLocks } from '../files/file-lock.ts';
import { libcOpenFiles } from '../files/files-libc.ts';
import { CallError, checked, cString, cStrings, lastErrno, libc } from '../kernel/libc.ts';
import { OPEN } from '../kernel/native-errors.ts';
import { within } from './deadline.ts';
import {
  CHILD_ENVIRONMENT,
  DEFAULT_TIMEOUT_MS,
  type Environment,
  GOING_MS,
  MOST_LISTED,
  MOST_SAID,
  type PassResult,
  type RunOptions,
  type RunResult,
  timeOutText,
  tooLongText,
  WAITING_MS,
} from './exec.ts';
import { hear, outputUpTo, textOf } from './heard-libc.ts';

const POLLIN = 1;
const [SIGKILL, SIGCHLD] = [9, 17];
const SIG_DFL = 0n;
const [SETPGROUP, SETSIGDEF, SETSIGMASK, SETSID] = [2, 4, 8, 0x80];
/** Larger than the structures of glibc (80 bytes) and musl (336 bytes). */
const OPAQUE_SIZE = 512;
const SIGNAL_SET_SIZE = 128;
const X_OK = 1;
const [ENOENT, EINTR] = [2, 4];
const WNOHANG = 1;
const F_SETFL = 4;
const MFD_CLOEXEC = 1;
const SYS_PIDFD_OPEN = 434n;
/** How often to ask whether a child has ended, where the kernel has no descriptor for processes (before Linux 5.3). */
const ASK_AGAIN_MS = 10;
/** How often the output of a listing is read; a pipe has room for what a program writes meanwhile. */
const LISTING_MS = 2;
/**
 * Shells put descriptors from 10 on out of their scripts' way; even a low limit of open files (ulimit -n) has room
 * there.
 */
const FIRST_LOCK_FD = 10;

/** A running child, and this process's ends of the pipes for its standard output and error. */
interface Child {
  readonly pid: number;
  readonly outputs: readonly [stdout: number, stderr: number];
}

/**
 * Runs a program without a shell and waits for it.
 * @param argv the program, found by the clean PATH, and its arguments
 * @param options input, variables, time limit
 */
export function runByLibc(argv: readonly string[], options: RunOptions = {}): RunResult {
  let child: Child;
  try {
    child = start(argv, options);
  } catch (thrown) {
    if (!(thrown instanceof CallError)) throw thrown;
    return { status: 127, stdout: '', stderr: thrown.code === 'ENOENT' ? '' : thrown.message };
  }
  const timeoutMs = Math.ceil(within(options.timeoutMs ?? DEFAULT_TIMEOUT_MS));
  const most = options.isListing === true ? MOST_LISTED : MOST_SAID;
  const { late, isCut, ...result } = attend(
    child,
    performance.now() + timeoutMs,
    most,
    options.isListing === true,
  );
  if (late) return { ...result, stderr: `${result.stderr}\n${timeOutText(argv, options, timeoutMs)}` };
  if (!isCut || options.isListing !== true) return result;
  return { status: result.status || 1, stdout: '', stderr: tooLongText(argv) };
}

/**
 * Starts a program in a session of its own, without a terminal, and does not wait for it.
 * @param argv the program and its arguments
 * @param name the name that it runs under (argv[0])
 * @throws XenNetworkError when it cannot be started
 */
export function startDetachedByLibc(argv: readonly string[], name: string): void {
  const [file = '', ...args] = argv;
  const actions = atTheRoot();
  const nowhere = cString('/dev/null');
  for (const fd of [0, 1, 2])
    libc().posix_spawn_file_actions_addopen(actions, fd, nowhere, OPEN.readWrite, 0);
  try {
    spawn(findProgram(file), [name, ...args], CHILD_ENVIRONMENT, actions, SETSID);
  } catch (thrown) {
    if (!(thrown instanceof CallError)) throw thrown;
    throw new XenNetworkError(`The program ${file} cannot be started: ${thrown.message}.`);
  }
}

/**
 * Runs a program in this process's place, with its standard streams and the given environment, and waits for it.
 * @param argv the program and its arguments
 * @param env its whole environment
 * @param waiting called repeatedly while it runs, after pending signals were handled
 */
export async function passByLibc(
  argv: readonly string[],
  env: Environment,
  waiting?: (pid: number) => void,
): Promise<PassResult> {
  const lib = libc();
  const status = new Int32Array(1);
  try {
    const pid = spawn(findProgram(argv[0] ?? ''), argv, env, noActions(), 0);
    if (waiting === undefined) {
      while (lib.waitpid(pid, status, 0) < 0) if (lastErrno() !== EINTR) throw new CallError(lastErrno());
    } else {
      while (lib.waitpid(pid, status, WNOHANG) === 0) {
        await new Promise((resolve) => setTimeout(resolve, WAITING_MS));
        waiting(pid);
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof CallError)) throw thrown;
    return { status: 127, failure: thrown.message, code: thrown.code };
  }
  return { status: exitStatus(status[0] ?? 0) };
}

function start(argv: readonly string[], options: RunOptions): Child {
  const lib = libc();
  const file = findProgram(argv[0] ?? '');
  const [ourOut, childOut] = pipe();
  const [ourErr, childErr] = pipe();
  const theirs = [inputFile(options.input ?? ''), childOut, childErr];
  const actions = atTheRoot();
  for (const [target, fd] of theirs.entries()) lib.posix_spawn_file_actions_adddup2(actions, fd, target);
  const locks = options.keepsLocks === true ? heldLocks() : [];
  // A copy onto another lock's descriptor would replace that lock, and a copy onto its own descriptor would be closed
  // by exec.
  const places = numbersBut([...locks, ...theirs], locks.length);
  for (const [i, fd] of locks.entries()) lib.posix_spawn_file_actions_adddup2(actions, fd, places[i] ?? -1);
  try {
    const env = { ...CHILD_ENVIRONMENT, ...options.env };
    // A time limit kills the child together with its own children, which only a process group of their own tells apart.
    const apart = options.ownSession === true ? SETSID : SETPGROUP;
    return { pid: spawn(file, argv, env, actions, apart), outputs: [ourOut, ourErr] };
  } catch (thrown) {
    for (const fd of [ourOut, ourErr]) libcOpenFiles.close(fd);
    throw thrown;
  } finally {
    for (const fd of theirs) libcOpenFiles.close(fd);
  }
}

/** Descriptor numbers for the child's copies, none of them in use. */
function numbersBut(taken: readonly number[], count: number): number[] {
  const numbers = Array.from({ length: count + taken.length }, (_, i) => FIRST_LOCK_FD + i);
  return numbers.filter((number) => !taken.includes(number)).slice(0, count);
}

/**
 * Starts a program; throws CallError when that fails.
 * @returns its process id
 */
function spawn(
  file: string,
  argv: readonly string[],
  env: Environment,
  actions: Uint8Array,
  apart: number,
): number {
  const lib = libc();
  // The caller may have set SIGCHLD to be ignored; then there would be no exit status to wait for.
  lib.signal(SIGCHLD, SIG_DFL);
  const words = cStrings(argv);
  const variables = Object.entries(env).filter(([, value]) => value !== undefined);
  const settings = cStrings(variables.map(([name, value]) => `${name}=${value}`));
  const pid = new Int32Array(1);
  const attributes = attributesOf(apart);
  const errno = lib.posix_spawn(pid, cString(file), actions, attributes, words.array, settings.array);
  if (errno !== 0) throw new CallError(errno);
  return pid[0] ?? 0;
}

function noActions(): Uint8Array {
  const made = new Uint8Array(OPAQUE_SIZE);
  libc().posix_spawn_file_actions_init(made);
  return made;
}

/** The child starts in /, but this process stays in its folder, where a shell that takes its place must begin. */
function atTheRoot(): Uint8Array {
  const made = noActions();
  libc().posix_spawn_file_actions_addchdir_np(made, cString('/'));
  return made;
}

/** All signals have their default action in the child, whatever this process does with them. */
function attributesOf(apart: number): Uint8Array {
  const lib = libc();
  const made = new Uint8Array(OPAQUE_SIZE);
  lib.posix_spawnattr_init(made);
  lib.posix_spawnattr_setflags(made, SETSIGDEF | SETSIGMASK | apart);
  lib.posix_spawnattr_setsigdefault(made, new Uint8Array(SIGNAL_SET_SIZE).fill(255));
  lib.posix_spawnattr_setsigmask(made, new Uint8Array(SIGNAL_SET_SIZE));
  return made;
}

/** Not posix_spawnp, which would search the caller's PATH. */
function findProgram(name: string): string {
  if (name.includes('/')) return name;
  const found = (CHILD_ENVIRONMENT['PATH'] ?? '')
    .split(':')
    .map((folder) => `${folder}/${name}`)
    .find((path) => libc().access(cString(path), X_OK) === 0);
  if (found === undefined) throw new CallError(ENOENT);
  return found;
}

/** A pipe whose reading end does not block. */
function pipe(): readonly [read: number, write: number] {
  const ends = new Int32Array(2);
  checked(libc().pipe2(ends, OPEN.closeOnExec));
  const [read = -1, write = -1] = ends;
  libc().fcntl(read, F_SETFL, OPEN.nonBlocking);
  return [read, write];
}

/** A file and not a pipe, which could fill up while the child waits for its output to be read. */
function inputFile(text: string): number {
  const fd = checked(libc().memfd_create(cString('input'), MFD_CLOEXEC));
  for (let rest = encodeText(text); rest.length > 0; ) rest = rest.subarray(libcOpenFiles.write(fd, rest));
  libc().lseek(fd, 0n, 0);
  return fd;
}

/** A child's result; whether it was killed for its time limit, and whether part of its output was dropped. */
interface Attended extends RunResult {
  readonly late: boolean;
  readonly isCut: boolean;
}

/**
 * Reads the child's output until the child has ended or its time is over, even if another process still has the output
 * open. nft writes a listing word by word; whoever waits for the next word is woken a hundred thousand times for the
 * tables of a thousand guests, so a listing is only looked after now and then.
 */
function attend({ pid, outputs }: Child, deadline: number, most: number, isListing: boolean): Attended {
  const lib = libc();
  const pidfd = Number(lib.syscall(SYS_PIDFD_OPEN, BigInt(pid), 0n));
  // struct pollfd: the descriptor; then the wanted events, in the lower half of the second number.
  const watched = new Int32Array([isListing ? -1 : outputs[0], POLLIN, outputs[1], POLLIN, pidfd, POLLIN]);
  const [out, err] = [outputUpTo(most), outputUpTo(most)];
  const status = new Int32Array([SIGKILL]);
  let late = false;
  for (;;) {
    // Asked before the output is read, so that nothing is missed that the child wrote before its end.
    const gone = lib.waitpid(pid, status, WNOHANG) !== 0;
    if (!hear(outputs[0], out)) watched[0] = -1;
    if (!hear(outputs[1], err)) watched[2] = -1;
    const rest = deadline - performance.now();
    // A process that hangs in the kernel cannot be killed, and nobody can wait for it.
    if (gone || rest < -GOING_MS) break;
    if (rest <= 0) {
      late = true;
      // The child may have left its process group, or may have none of its own yet.
      for (const target of [-pid, pid]) lib.kill(target, SIGKILL);
    }
    const again = late ? ASK_AGAIN_MS : isListing ? Math.min(rest, LISTING_MS) : rest;
    lib.poll(watched, 3, Math.ceil(pidfd < 0 ? Math.min(again, ASK_AGAIN_MS) : again));
  }
  for (const fd of [...outputs, ...(pidfd < 0 ? [] : [pidfd])]) libcOpenFiles.close(fd);
  return {
    late,
    isCut: out.isCut || err.isCut,
    status: exitStatus(status[0] ?? 0),
    stdout: textOf(out),
    stderr: textOf(err),
  };
}

/** The status of wait(2) as shells number it. */
function exitStatus(status: number): number {
  const signal = status & 0x7f;
  return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
}
