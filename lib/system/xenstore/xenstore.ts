/**
 * The entries of xenstore. A relative path (backend/vif/1/0) belongs to the caller's domain; xenstored resolves it.
 * Each call throws XenstoreError, in full sentences: for a path that no entry can have, for a refusal, and when
 * xenstored goes away or keeps silent for too long.
 */
export interface Xenstore {
  /** The values at the paths, in their order; undefined where there is no entry. One round trip on a socket. */
  readMany(paths: readonly string[]): Promise<(string | undefined)[]>;
  /** The names right below a path; undefined where there is no entry. */
  list(path: string): Promise<string[] | undefined>;
  /** Stores a value, and makes the entries above it where they are missing. */
  write(path: string, value: string): Promise<void>;
  /** Removes an entry and all below it. That there is none is no error. */
  remove(path: string): Promise<void>;
  /** Stores several values in one transaction: others see all of them or none. */
  writeAll(entries: readonly (readonly [path: string, value: string])[]): Promise<void>;
  close(): void;
}
