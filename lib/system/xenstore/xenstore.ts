/**
 * The entries of xenstore. A relative path (backend/vif/1/0) is below the caller's own domain; xenstored resolves it.
 * Each call throws XenstoreError, in full sentences, for an invalid path, for a refusal, and when xenstored goes away
 * or does not answer in time.
 */
export interface Xenstore {
  /** The values at the paths, in the same order; undefined where there is no entry. One round trip on a socket. */
  readMany(paths: readonly string[]): Promise<(string | undefined)[]>;
  /** The names directly below a path; undefined where there is no entry. */
  list(path: string): Promise<string[] | undefined>;
  /** Writes a value; xenstored makes the missing entries above it. */
  write(path: string, value: string): Promise<void>;
  /** Removes an entry and all below it; no error where there is none. */
  remove(path: string): Promise<void>;
  /** Writes several values in one transaction: others see all of them or none. */
  writeAll(entries: readonly (readonly [path: string, value: string])[]): Promise<void>;
  close(): void;
}
