import { ClosedError, XenNetworkError } from '../../errors.ts';
import type { OpenFiles } from '../files/files.ts';
import type { ByteChannel } from '../kernel/native.ts';
import { connectionError, errnoName, errnoWords, OPEN } from '../kernel/native-errors.ts';
import { waitText, within } from '../processes/deadline.ts';

/** Waits until an open file is ready for reading or writing, at most for the given time. */
export type WaitReady = (fd: number, direction: 'in' | 'out', timeoutMs: number) => unknown;

/** A channel over a file descriptor, a socket's or a device's, that blocks at most for the channel's timeout. */
export class FdChannel implements ByteChannel {
  readonly #fd: number;
  readonly #path: string;
  readonly #timeoutMs: number;
  /** How much of the timeout the present send or receive may use. */
  #allowedMs = 0;
  /** The time when the last request was sent, and whether a part of the answer has arrived. */
  #askedAt = 0;
  #isHeard = false;
  /** What was received last, until the next is. */
  #buffer: Uint8Array | undefined;
  readonly #wait: WaitReady;
  readonly #files: OpenFiles;

  /**
   * @param fd an open file with O_NONBLOCK, or with the timeout as its own limit; close() closes it
   * @param path its name, for messages
   * @param timeoutMs the limit of each send and receive
   * @param wait this runtime's way to wait for a file
   * @param files this runtime's calls on open files
   */
  constructor(fd: number, path: string, timeoutMs: number, wait: WaitReady, files: OpenFiles) {
    this.#files = files;
    this.#fd = fd;
    this.#path = path;
    this.#timeoutMs = timeoutMs;
    this.#wait = wait;
  }

  send(bytes: Uint8Array): void | Promise<void> {
    this.#allowedMs = within(this.#timeoutMs);
    this.#askedAt = performance.now();
    this.#isHeard = false;
    const deadline = this.#askedAt + this.#allowedMs;
    const rest = bytes.subarray(this.#attempt('written to', () => this.#files.write(this.#fd, bytes)) ?? 0);
    return rest.length === 0 ? undefined : this.#sendRest(rest, deadline);
  }

  /**
   * Without a promise where bytes are there at once, as on a blocking socket always: a promise would take longer than
   * the read.
   */
  receive(): Uint8Array | Promise<Uint8Array> {
    this.#allowedMs = within(this.#timeoutMs);
    const deadline = performance.now() + this.#allowedMs;
    this.#buffer ??= new Uint8Array(16_384);
    const buffer = this.#buffer;
    // The socket's own limit is longer than the time that is left.
    if (this.#allowedMs < this.#timeoutMs) return this.#receiveLater(buffer, deadline);
    const length = this.#attempt('read', () => this.#files.read(this.#fd, buffer));
    return length === undefined ? this.#receiveLater(buffer, deadline) : this.#received(buffer, length);
  }

  async #sendRest(bytes: Uint8Array, deadline: number): Promise<void> {
    for (let rest = bytes; rest.length > 0; ) {
      const piece = rest;
      rest = rest.subarray(
        await this.#retry('out', 'written to', deadline, () => this.#files.write(this.#fd, piece)),
      );
    }
  }

  async #receiveLater(buffer: Uint8Array, deadline: number): Promise<Uint8Array> {
    return this.#received(
      buffer,
      await this.#retry('in', 'read', deadline, () => this.#files.read(this.#fd, buffer)),
    );
  }

  #received(buffer: Uint8Array, length: number): Uint8Array {
    if (length === 0) {
      throw new ClosedError(`The other side of ${this.#path} has closed the connection.`);
    }
    this.#isHeard = true;
    return buffer.subarray(0, length);
  }

  close(): void {
    this.#files.close(this.#fd);
  }

  /** Makes a call; undefined when the file is not ready. */
  #attempt(what: string, call: () => number): number | undefined {
    try {
      return call();
    } catch (error) {
      const name = errnoName(error);
      if (name === 'EAGAIN' || name === 'EINTR') return undefined;
      throw connectionError(`${this.#path} cannot be ${what}`, error);
    }
  }

  /** If xenstored sends the answer in small parts, the hook waits for it until the deadline of the whole call. */
  #silence(): string {
    const limit = waitText(this.#timeoutMs, this.#allowedMs);
    if (!this.#isHeard) return `did not answer within ${limit}`;
    if (this.#allowedMs === this.#timeoutMs)
      return `sent only a part of its answer, and then nothing for ${limit}`;
    const waited = waitText(Number.POSITIVE_INFINITY, performance.now() - this.#askedAt);
    return `sent only a part of its answer within ${waited}`;
  }

  /** Makes a call as soon as the file is ready; fails when the time is over. */
  async #retry(direction: 'in' | 'out', what: string, deadline: number, call: () => number): Promise<number> {
    for (;;) {
      const rest = deadline - performance.now();
      if (rest <= 0) throw new XenNetworkError(`${this.#path} ${this.#silence()}.`);
      await this.#wait(this.#fd, direction, rest);
      const result = this.#attempt(what, call);
      if (result !== undefined) return result;
    }
  }
}

/**
 * Opens a character device for reading and writing.
 * @param path the device
 * @param timeoutMs the limit of each send and receive
 * @param wait this runtime's way to wait for a file
 * @param files this runtime's calls on open files
 * @throws XenNetworkError when it cannot be opened
 */
export function openFdDevice(
  path: string,
  timeoutMs: number,
  wait: WaitReady,
  files: OpenFiles,
): ByteChannel {
  try {
    const fd = files.open(path, OPEN.readWrite | OPEN.nonBlocking, 0);
    return new FdChannel(fd, path, timeoutMs, wait, files);
  } catch (error) {
    throw new XenNetworkError(`The device ${path} cannot be opened: ${errnoWords(error)}.`, { cause: error });
  }
}
