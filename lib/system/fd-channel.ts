import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { XenNetworkError } from '../errors.ts';
import type { ByteChannel } from './native.ts';
import { errnoName, errnoWords, OPEN } from './native-errors.ts';

/** Waits until an open file may be read or written, or for the given time at most. */
export type WaitReady = (fd: number, direction: 'in' | 'out', timeoutMs: number) => void | Promise<void>;

/** A channel over a file descriptor that does not block for longer than the channel may: a socket or a device. */
export class FdChannel implements ByteChannel {
  readonly #fd: number;
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #wait: WaitReady;

  /**
   * @param fd an open file with O_NONBLOCK or with that time as its own limit; close() closes it
   * @param path its name, for messages
   * @param timeoutMs the bound of each send and receive
   * @param wait how this runtime waits for a file
   */
  constructor(fd: number, path: string, timeoutMs: number, wait: WaitReady) {
    this.#fd = fd;
    this.#path = path;
    this.#timeoutMs = timeoutMs;
    this.#wait = wait;
  }

  async send(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      const piece = rest;
      rest = rest.subarray(await this.#retry('out', 'written to', () => writeSync(this.#fd, piece)));
    }
  }

  async receive(): Promise<Uint8Array> {
    const buffer = new Uint8Array(16_384);
    const length = await this.#retry('in', 'read', () => readSync(this.#fd, buffer));
    if (length === 0) {
      throw new XenNetworkError(`The other side of ${this.#path} has closed the connection.`);
    }
    return buffer.subarray(0, length);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Makes a call that fails with EAGAIN while the file is not ready, until it is or the time is over. */
  async #retry(direction: 'in' | 'out', what: string, call: () => number): Promise<number> {
    const deadline = performance.now() + this.#timeoutMs;
    for (;;) {
      try {
        return call();
      } catch (error) {
        const name = errnoName(error);
        if (name !== 'EAGAIN' && name !== 'EINTR') {
          throw new XenNetworkError(`${this.#path} cannot be ${what}: ${errnoWords(error)}.`, {
            cause: error,
          });
        }
      }
      const rest = deadline - performance.now();
      if (rest <= 0) {
        throw new XenNetworkError(`${this.#path} did not answer within ${this.#timeoutMs / 1000} s.`);
      }
      await this.#wait(this.#fd, direction, rest);
    }
  }
}

/**
 * Opens a character device for reading and writing.
 * @param path the device
 * @param timeoutMs the bound of each send and receive
 * @param wait how this runtime waits for a file
 * @throws XenNetworkError when it cannot be opened
 */
export function openFdDevice(path: string, timeoutMs: number, wait: WaitReady): ByteChannel {
  try {
    const fd = openSync(path, OPEN.readWrite | OPEN.nonBlocking);
    return new FdChannel(fd, path, timeoutMs, wait);
  } catch (error) {
    throw new XenNetworkError(`The device ${path} cannot be opened: ${errnoWords(error)}.`, { cause: error });
  }
}
