import { XenstoreError } from '../errors.ts';
import { pathFault, RELATIVE_PATH_MAX, type XsError } from '../wire/xenstore.ts';

/** The server refuses a request; the ERROR reply has this name. */
export class Refusal extends XenstoreError {
  override readonly name = 'Refusal';
  readonly reply: XsError;

  constructor(reply: XsError) {
    super(`The xenstore server of the sandbox refuses a request: ${reply}.`);
    this.reply = reply;
  }
}

/** One entry. It is never changed, only replaced, so that a comparison of two trees shows which entries changed. */
export interface Node {
  readonly value: Uint8Array;
  /** As on the wire: "n0" names the owner and the default access, each further one a domain. */
  readonly permissions: readonly string[];
  /** The names of the entries below, the oldest first. */
  readonly children: readonly string[];
  /** Grows with each change. */
  readonly generation: number;
}

/** The change by one request: the path in the request, and the paths below that went with it. */
export interface Change {
  readonly path: string;
  readonly vanished: readonly string[];
}

const HOME = '/local/domain/0/';
const ROOT: Node = { value: new Uint8Array(0), permissions: ['n0'], children: [], generation: 0 };

/**
 * The absolute form of a request's path. A relative path is below domain 0's home, since all connections are domain
 * 0's.
 * @throws Refusal EINVAL for an invalid path
 */
export function resolvePath(path: string): string {
  const absolute = path.startsWith('/') ? path : HOME + path;
  const own = absolute.replace(/^\/local\/domain\/\d+\//, '');
  if (pathFault(path) !== undefined || own.length > RELATIVE_PATH_MAX) {
    throw new Refusal('EINVAL');
  }
  return absolute;
}

/** The path relative to domain 0's home, where it is below that. */
export function relativePath(absolute: string): string {
  return absolute.startsWith(HOME) ? absolute.slice(HOME.length) : absolute;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function childPath(path: string, name: string): string {
  return path === '/' ? `/${name}` : `${path}/${name}`;
}

/** The entries by path. A transaction is a copy of a tree. Paths are absolute and valid. */
export class XenstoreTree {
  readonly #nodes: Map<string, Node>;
  /** In a transaction: every entry that it read or changed, in its state from before. */
  readonly #touched: Map<string, Node | undefined> | undefined;
  readonly #changes: Change[] = [];
  #generation: number;

  /** @param origin the tree that the transaction copies; undefined for a new tree */
  constructor(origin?: XenstoreTree) {
    this.#nodes = new Map(origin === undefined ? [['/', ROOT]] : origin.#nodes);
    this.#touched = origin && new Map();
    this.#generation = origin === undefined ? 0 : origin.#generation;
  }

  /** @throws Refusal ENOENT where there is no entry */
  get(path: string): Node {
    const node = this.#look(path);
    if (node === undefined) {
      throw new Refusal('ENOENT');
    }
    return node;
  }

  /** Writes a value; makes the entry and those above it where they are missing. */
  write(path: string, value: Uint8Array): void {
    this.#put(path, { ...this.#ensure(path), value });
    this.#changes.push({ path, vanished: [] });
  }

  /** Makes an entry and those above it where they are missing; an existing entry stays as it is. */
  make(path: string): void {
    if (this.#look(path) === undefined) {
      this.#ensure(path);
      this.#changes.push({ path, vanished: [] });
    }
  }

  /** @throws Refusal ENOENT where there is no entry */
  setPermissions(path: string, permissions: readonly string[]): void {
    this.#put(path, { ...this.get(path), permissions });
    this.#changes.push({ path, vanished: [] });
  }

  /**
   * Removes an entry and all below it; no error where there is none.
   * @throws Refusal ENOENT where the entry above it is missing, EINVAL for the root
   */
  remove(path: string): void {
    if (path === '/') {
      throw new Refusal('EINVAL');
    }
    const above = this.get(parentOf(path));
    if (this.#look(path) === undefined) {
      return;
    }
    const children = above.children.filter((name) => childPath(parentOf(path), name) !== path);
    this.#put(parentOf(path), { ...above, children });
    this.#changes.push({ path, vanished: this.#cut(path).filter((gone) => gone !== path) });
  }

  /**
   * Applies the changes of a transaction on a copy of this tree.
   * @returns false, with nothing applied, when an entry that it read or changed has changed here since it began
   */
  commit(transaction: XenstoreTree): boolean {
    const touched = [...(transaction.#touched ?? [])];
    if (touched.some(([path, before]) => this.#nodes.get(path) !== before)) {
      return false;
    }
    for (const [path] of touched) {
      const after = transaction.#nodes.get(path);
      if (after === undefined) {
        this.#nodes.delete(path);
      } else {
        this.#nodes.set(path, after);
      }
    }
    this.#generation = Math.max(this.#generation, transaction.#generation);
    this.#changes.push(...transaction.#changes);
    return true;
  }

  /** Adds a special event such as "@introduceDomain" to the changes. */
  announce(path: string): void {
    this.#changes.push({ path, vanished: [] });
  }

  /** Returns the changes since the last call, in order. */
  takeChanges(): readonly Change[] {
    return this.#changes.splice(0);
  }

  #look(path: string): Node | undefined {
    const node = this.#nodes.get(path);
    if (this.#touched?.has(path) === false) {
      this.#touched.set(path, node);
    }
    return node;
  }

  #put(path: string, node: Omit<Node, 'generation'>): Node {
    this.#generation += 1;
    const stamped = { ...node, generation: this.#generation };
    this.#nodes.set(path, stamped);
    return stamped;
  }

  #ensure(path: string): Node {
    const node = this.#look(path);
    if (node !== undefined) {
      return node;
    }
    const above = this.#ensure(parentOf(path));
    const name = path.slice(path.lastIndexOf('/') + 1);
    this.#put(parentOf(path), { ...above, children: [...above.children, name] });
    return this.#put(path, { ...ROOT, permissions: above.permissions });
  }

  /** Removes an entry and all below it; the result lists those below first. */
  #cut(path: string): string[] {
    const below = this.#look(path)?.children.flatMap((name) => this.#cut(childPath(path, name))) ?? [];
    this.#nodes.delete(path);
    return [...below, path];
  }
}
