import { XenstoreError } from '../errors.ts';
import { pathFault, RELATIVE_PATH_MAX, type XsError } from '../wire/xenstore.ts';

/** A request that the server refuses by an ERROR reply with this name. */
export class Refusal extends XenstoreError {
  readonly reply: XsError;

  constructor(reply: XsError) {
    super(`The xenstore server of the sandbox refuses a request: ${reply}.`);
    this.reply = reply;
  }
}

/** One entry. Never changed, only replaced, so that two trees can tell by comparison who changed what. */
export interface Node {
  readonly value: Uint8Array;
  /** As on the wire: "n0" names the owner and the default access, each further one a domain. */
  readonly permissions: readonly string[];
  /** Names, the oldest first. */
  readonly children: readonly string[];
  /** Greater with each change. */
  readonly generation: number;
}

/** What one request did to a tree: the path that it named, and the paths below that vanished with it. */
export interface Change {
  readonly path: string;
  readonly vanished: readonly string[];
}

const HOME = '/local/domain/0/';
const ROOT: Node = { value: new Uint8Array(0), permissions: ['n0'], children: [], generation: 0 };

/**
 * The absolute form of a request's path; a relative one belongs to domain 0, whose connections all are.
 * @throws Refusal EINVAL for a path that cannot be
 */
export function resolvePath(path: string): string {
  const absolute = path.startsWith('/') ? path : HOME + path;
  const own = absolute.replace(/^\/local\/domain\/\d+\//, '');
  if (pathFault(path) !== undefined || own.length > RELATIVE_PATH_MAX) {
    throw new Refusal('EINVAL');
  }
  return absolute;
}

/** The path as one sees it from domain 0's home. */
export function relativePath(absolute: string): string {
  return absolute.startsWith(HOME) ? absolute.slice(HOME.length) : absolute;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function childPath(path: string, name: string): string {
  return path === '/' ? `/${name}` : `${path}/${name}`;
}

/** Names of nodes with what they hold; a transaction is a copy of one. Paths are absolute and valid. */
export class XenstoreTree {
  readonly #nodes: Map<string, Node>;
  /** In a transaction: each entry that it looked at or changed, as it was before. */
  readonly #touched: Map<string, Node | undefined> | undefined;
  readonly #changes: Change[] = [];
  #generation: number;

  /** @param origin the tree of which a transaction is to be a copy; none for a new tree */
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

  /** Stores a value, and makes the entry and those above it where they are missing. */
  write(path: string, value: Uint8Array): void {
    this.#put(path, { ...this.#ensure(path), value });
    this.#changes.push({ path, vanished: [] });
  }

  /** Makes an entry and those above it where they are missing; leaves an existing one as it is. */
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
   * Removes an entry and all below it; none there is no error.
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
   * Takes over what a transaction on a copy of this tree did.
   * @returns false, with nothing taken over, when an entry that it touched has changed here since it began
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

  /** The changes since the last call, in their order. */
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

  /** Removes an entry and all below it, which come first in the list of what was removed. */
  #cut(path: string): string[] {
    const below = this.#look(path)?.children.flatMap((name) => this.#cut(childPath(path, name))) ?? [];
    this.#nodes.delete(path);
    return [...below, path];
  }
}
