/**
 * The interface of engine.c and libc.c to JavaScript. Addresses are numbers; times are milliseconds. While modules are
 * loaded for the snapshot (snapshot.c) argv, env and pid are absent, and each function that would ask the system throws.
 */
export interface Engine {
  /** The words of the command line, the program's name first. */
  readonly argv?: readonly string[];
  readonly env?: Record<string, string>;
  /** The functions of the C library, by name; each takes numbers, BigInts, typed arrays and null. */
  readonly libc: Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;
  /** The memory address of a typed array's bytes. */
  address(bytes: ArrayBufferView): number;
  int32At(address: number): number;
  encode(text: string): ArrayBuffer;
  decode(bytes: Uint8Array): string;
  /** From now on the signal is only recorded. */
  catchSignal(number: number): void;
  /** The numbers of the signals that were recorded since the last call. */
  takeSignals(): number[];
  readonly pid?: number;
  /** The path of this program's file. */
  path(): string;
  now(): number;
  /** From 0 to less than 1. */
  random(): number;
  /** Sleeps for whole milliseconds, or until a signal comes. */
  wait(ms: number): void;
  exit(status: number): never;
  /** Set by the prelude: waits for one timer or signal handler and runs it; false when there is none. */
  turn?: () => boolean;
  /** Set by the entry: what a call does, once all that it imports is loaded. */
  main?: () => void;
  /** Set by the entry: loads what the snapshot contains besides. */
  preload?: () => void;
}

declare global {
  var engine: Engine;
}
