import { ClosedError, XenstoreError } from '../../errors.ts';
import { within } from '../processes/deadline.ts';
import type { Xenstore } from './xenstore.ts';

/** A xenstored that is restarted listens again within this time. */
const RESTART_MS = 5000;
const PAUSE_MS = 20;

/**
 * xenstore over a restart of xenstored, in which all connections end and the entries stay (docs/contract.md, "xenstore").
 * A request that the end of the connection left without an answer is made again: each comes to the same when it is done
 * twice.
 */
export class LastingXenstore implements Xenstore {
  readonly #open: () => Promise<Xenstore>;
  #store: Xenstore;
  /** The next connection, while it is being made. */
  #next: Promise<Xenstore> | undefined;
  #isOver = false;

  /**
   * @param store the first connection
   * @param open makes another one; throws XenstoreError when nobody listens
   */
  constructor(store: Xenstore, open: () => Promise<Xenstore>) {
    this.#store = store;
    this.#open = open;
  }

  readMany(paths: readonly string[]): Promise<(string | undefined)[]> {
    return this.#ask((store) => store.readMany(paths));
  }

  list(path: string): Promise<string[] | undefined> {
    return this.#ask((store) => store.list(path));
  }

  write(path: string, value: string): Promise<void> {
    return this.#ask((store) => store.write(path, value));
  }

  remove(path: string): Promise<void> {
    return this.#ask((store) => store.remove(path));
  }

  writeAll(entries: readonly (readonly [path: string, value: string])[]): Promise<void> {
    return this.#ask((store) => store.writeAll(entries));
  }

  close(): void {
    this.#isOver = true;
    this.#store.close();
  }

  async #ask<T>(request: (store: Xenstore) => Promise<T>): Promise<T> {
    const store = this.#store;
    try {
      return await request(store);
    } catch (thrown) {
      const isGone = thrown instanceof XenstoreError && thrown.cause instanceof ClosedError;
      if (!isGone || this.#isOver) throw thrown;
      return request(await this.#after(store));
    }
  }

  /** All requests that one connection left without an answer share the next one, in the order in which they were made. */
  #after(store: Xenstore): Xenstore | Promise<Xenstore> {
    if (store !== this.#store) return this.#store;
    this.#next ??= this.#reopen();
    return this.#next;
  }

  async #reopen(): Promise<Xenstore> {
    const end = performance.now() + within(RESTART_MS);
    for (;;) {
      try {
        this.#store = await this.#open();
        this.#next = undefined;
        return this.#store;
      } catch (thrown) {
        if (!(thrown instanceof XenstoreError)) throw thrown;
        if (performance.now() >= end) {
          // It is waited for once.
          this.#isOver = true;
          throw thrown;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
