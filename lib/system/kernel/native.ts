// The port through which the program reaches the kernel; it has two implementations.

import type { FileSystem } from '../files/files.ts';
import type { Environment, PassResult, RunOptions, RunResult } from '../processes/exec.ts';
import type { NetlinkProtocol, NetlinkSocket } from './netlink.ts';

/** A connection that carries bytes in both directions. */
export interface ByteChannel {
  /** Sends all bytes. Throws XenNetworkError when the other side is gone or reads nothing in time. */
  send(bytes: Uint8Array): void | Promise<void>;
  /** The next bytes, at least one; they are valid until the next call. Throws XenNetworkError at the end of the stream, or when no bytes come in time. */
  receive(): Uint8Array | Promise<Uint8Array>;
  close(): void;
}

/** Serves a new client: takes the function that sends it bytes. */
export type StreamService = (send: (bytes: Uint8Array) => void) => Peer;

/** The server's side of a client's connection. */
export interface Peer {
  /** Reads what the client sent. Throws XenNetworkError to drop the client. */
  receive(bytes: Uint8Array): void;
  /** Called when the client has gone or was dropped. */
  close(): void;
}

/** A lock that this process holds. */
export interface FileLock {
  /** Releases the lock and removes its file. A second call does nothing. */
  release(): void;
}

/**
 * first: before all processes without real-time priority (SCHED_FIFO, sched(7)). ahead: most of the time goes to this one, and
 * none waits for ever (nice -20). usual: as at the beginning.
 */
export type Hurry = 'first' | 'ahead' | 'usual';

/** Times are milliseconds, paths are absolute. No child inherits a file that this port opens. */
export interface Native {
  /**
   * Connects to a Unix stream socket. The timeout bounds the connecting and each later send and receive.
   *
   * @throws XenNetworkError when nobody listens there or answers in time
   */
  connectStream(path: string, timeoutMs: number): Promise<ByteChannel>;
  /**
   * Serves a Unix stream socket that only root can reach, until a signal ends this process.
   *
   * @throws XenNetworkError when it cannot listen there
   */
  serveStream(path: string, service: StreamService): Promise<never>;
  /**
   * Opens a character device for reading and writing. The timeout bounds each send and receive.
   *
   * @throws XenNetworkError when it cannot be opened
   */
  openDevice(path: string, timeoutMs: number): Promise<ByteChannel>;
  /**
   * Sends one syslog message ("<PRI>Mmm dd hh:mm:ss TAG: text") to a Unix datagram socket such as /dev/log. Never
   * throws and never waits for a reader; false when nobody received it.
   */
  sendDatagram(path: string, bytes: Uint8Array): Promise<boolean>;
  /**
   * Takes the exclusive lock of a file as the stock scripts do, so that they and we exclude each other: it makes the
   * file, locks it with flock(2), and starts again when the path then names another file (docs/contract.md, "Locks").
   * The folder is made where it is missing.
   *
   * @throws LockError when another process holds it for longer than the given time
   * @throws XenNetworkError when the file cannot be made
   */
  lock(path: string, timeoutMs: number): Promise<FileLock>;
  /** Opens a socket to a part of the kernel; absent where only programs such as `ip` can reach it. */
  readonly openNetlink?: (protocol: NetlinkProtocol) => NetlinkSocket;
  readonly files: FileSystem;
  /** Runs a program, found by the clean PATH, without a shell, and waits for it. */
  run(argv: readonly string[], options?: RunOptions): RunResult;
  /** See System. */
  pass(argv: readonly string[], env: Environment, waiting?: (pid: number) => void): Promise<PassResult>;
  /** See System. */
  startDetached(argv: readonly string[], name: string): void;
  /** Gives this process a priority; children never inherit it. Never throws. */
  readonly hurry?: (how: Hurry) => void;
  /** Sends a signal, given by its number. Throws an Error with a code such as ESRCH. */
  kill(pid: number, signal: number): void;
  /** Writes to standard output or standard error. Never throws. */
  print(text: string, to: 'out' | 'err'): void;
  /** Sets the permissions that new files of this process and its children do not get (umask(2)). */
  umask(mask: number): void;
  /** The effective user id of this process. */
  userId(): number;
  /** The width in characters of the terminal that is standard input or output; undefined where it is no terminal. */
  terminalWidth(of: 'in' | 'out'): number | undefined;
}
