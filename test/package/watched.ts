import { posix } from 'node:path';

/** A name that callers use, and the file that it leads to where it is a link. */
export interface Served {
  readonly path: string;
  readonly file?: string;
}

/**
 * Whether hooks can be called at every moment of a run: the kernel calls that change names, as strace(1) prints them, are
 * followed one after the other.
 */
export class Watched {
  readonly #served: readonly Served[];
  readonly #root: string;
  readonly #there = new Set<string>();
  readonly #links = new Map<string, string>();

  /**
   * @param served the hooks that are there before the run
   * @param others further files that are there, to which links may lead
   * @param root how the root of the traced programs is seen from outside
   */
  constructor(served: readonly Served[], others: readonly string[], root: string) {
    this.#served = served;
    this.#root = root;
    for (const path of others) this.#there.add(path);
    for (const { path, file } of served) {
      this.#there.add(path).add(file ?? path);
      if (file !== undefined) this.#links.set(path, file);
    }
  }

  /**
   * The hooks that were not there at some moment, each with the call after which it was not.
   * @param trace what strace printed, with the paths of descriptors (-y)
   */
  gaps(trace: string): string[] {
    const found = new Map<string, string>();
    for (const line of trace.split('\n')) {
      this.#follow(line);
      for (const { path } of this.#served)
        if (!this.#isThere(path) && !found.has(path)) found.set(path, `${path}: ${line}`);
    }
    return [...found.values()];
  }

  #isThere(path: string): boolean {
    return this.#there.has(path) && this.#there.has(this.#links.get(path) ?? path);
  }

  #follow(line: string): void {
    const [, call, words = ''] = /^\d+ +(\w+?)(?:at2?)?\((.*)\)\s+= 0/.exec(line) ?? [];
    // A name may be relative to the folder before it.
    const names = [...words.matchAll(/(?:\w+<([^>]*)>, )?"([^"]*)"/g)].map(
      ([, folder = '/', name = '']) => [name, posix.resolve(this.#inside(folder), name)] as const,
    );
    const [[text, first] = ['', ''], [, second] = ['', '']] = names;
    if (call === 'unlink') this.#remove(first);
    if (call === 'link') this.#put(second, this.#links.get(first));
    if (call === 'symlink') this.#put(second, posix.resolve(posix.dirname(second), text));
    if (call === 'rename') {
      const target = this.#links.get(first);
      this.#remove(first);
      this.#put(second, target);
    }
  }

  #inside(path: string): string {
    return path.startsWith(this.#root) ? path.slice(this.#root.length) || '/' : path;
  }

  #remove(path: string): void {
    this.#there.delete(path);
    this.#links.delete(path);
  }

  #put(path: string, target: string | undefined): void {
    this.#remove(path);
    this.#there.add(path);
    if (target !== undefined) this.#links.set(path, target);
  }
}
