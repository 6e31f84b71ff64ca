// All that the program needs of the kernel: one port with two twins.

import type { FileSystem } from '../files/files.ts';
import type { Environment, PassResult, RunOptions, RunResult } from '../processes/exec.ts';
import type { NetlinkProtocol, NetlinkSocket } from './netlink.ts';

/** A connection that carries bytes both ways. */
export interface ByteChannel {
  /** Sends all of the bytes. Throws XenNetworkError when the other side is gone or takes nothing in time. */
  send(bytes: Uint8Array): void | Promise<void>;
  /** The next bytes, one at least. Throws XenNetworkError at the end of the stream or when none come in time. */
  receive(): Uint8Array | Promise<Uint8Array>;
  close(): void;
}

/** What is done for a client that has come: it is given the way to send it bytes. */
export type StreamService = (send: (bytes: Uint8Array) => void) => Peer;

/** This side of a client's connection. */
export interface Peer {
  /** Takes what the client sent. Throws XenNetworkError to drop the client. */
  receive(bytes: Uint8Array): void;
  /** The client has gone, or was dropped. */
  close(): void;
}

/** A lock that this process holds. */
export interface FileLock {
  /** Lets go of the lock and removes its file. A second call does nothing. */
  release(): void;
}

/** Times are milliseconds, paths absolute. No file that this port opens is inherited by a child. */
export interface Native {
  /**
   * Connects to a Unix stream socket. The time bounds the connecting and each later send and receive.
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
   * Opens a character device for reading and writing. The time bounds each send and receive.
   *
   * @throws XenNetworkError when it cannot be opened
   */
  openDevice(path: string, timeoutMs: number): Promise<ByteChannel>;
  /**
   * Sends one syslog message ("<PRI>Mmm dd hh:mm:ss TAG: text") to a Unix datagram socket such as /dev/log.
   * Never throws and never waits for a reader; false when nobody took it.
   */
  sendDatagram(path: string, bytes: Uint8Array): Promise<boolean>;
  /**
   * Takes the exclusive lock of a file as the stock scripts do, so that they and we exclude each other: create,
   * flock, and begin again when the file at the path is not the locked one (docs/contract.md, "Locks"). The file's
   * directory is made where it is missing.
   *
   * @throws LockError when somebody else holds it for longer than the given time
   * @throws XenNetworkError when the file cannot be made
   */
  lock(path: string, timeoutMs: number): Promise<FileLock>;
  /** A socket to a part of the kernel; absent where only programs such as `ip` can ask it. */
  readonly openNetlink?: (protocol: NetlinkProtocol) => NetlinkSocket;
  readonly files: FileSystem;
  /** Runs a program, found by the clean PATH, and waits for it, with no shell. */
  run(argv: readonly string[], options?: RunOptions): RunResult;
  /** As `System` has it. */
  pass(argv: readonly string[], env: Environment, waiting?: (pid: number) => void): Promise<PassResult>;
  /** As `System` has it. */
  startDetached(argv: readonly string[], name: string): void;
  /** Puts this process before all others, or back among them; what it starts is never put there. Never throws. */
  readonly hurry?: (on: boolean) => void;
  /** Sends a signal, by its number. Throws an Error with a code such as ESRCH. */
  kill(pid: number, signal: number): void;
  /** Writes to standard output or error. Never throws. */
  print(text: string, to: 'out' | 'err'): void;
  /** What no file that this process or a child of it makes is open to (umask(2)). */
  umask(mask: number): void;
  /** The effective user of this process. */
  userId(): number;
  /** How many characters a line of the terminal has that standard input or output is; undefined where it is none. */
  terminalWidth(of: 'in' | 'out'): number | undefined;
}
