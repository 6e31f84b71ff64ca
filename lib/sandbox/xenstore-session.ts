import { encodeStrings, type Frame, PAYLOAD_MAX, XS_TYPE } from '../wire/xenstore.ts';
import { DOMAIN_REQUESTS, OK, requestStrings, type Store, TREE_REQUESTS } from './xenstore-requests.ts';
import { type Change, Refusal, relativePath, resolvePath, XenstoreTree } from './xenstore-tree.ts';

interface Watch {
  /** An absolute path, or a special name that begins with "@". */
  readonly path: string;
  readonly token: string;
  /** The watch was set on a relative path, so its events name relative paths. */
  readonly isRelative: boolean;
}

/** One client's connection, with its watches and transactions. All clients have domain 0's rights. */
export class XenstoreSession {
  readonly #store: Store;
  readonly #peers: Iterable<XenstoreSession>;
  readonly #send: (frame: Frame) => void;
  readonly #transactions = new Map<number, XenstoreTree>();
  #watches: Watch[] = [];
  #lastTransaction = 0;

  /**
   * @param store the state that all sessions share
   * @param peers all sessions, including this one
   * @param send sends a frame to the client
   */
  constructor(store: Store, peers: Iterable<XenstoreSession>, send: (frame: Frame) => void) {
    this.#store = store;
    this.#peers = peers;
    this.#send = send;
  }

  /** Answers a request, then sends its changes to the watches of all sessions. */
  handle(request: Frame): void {
    const reply = this.#reply(request);
    this.#send({ ...request, ...reply });
    const newest = this.#watches.at(-1);
    if (reply.type === XS_TYPE.watch && newest !== undefined) {
      this.#sendEvent(newest, newest.path);
    }
    this.#publish(this.#store.tree.takeChanges());
  }

  #publish(changes: readonly Change[]): void {
    for (const change of changes) {
      for (const session of this.#peers) {
        session.#notice(change);
      }
    }
  }

  #notice(change: Change): void {
    for (const watch of this.#watches) {
      if (isAtOrBelow(change.path, watch.path)) {
        this.#sendEvent(watch, change.path);
      } else if (change.vanished.includes(watch.path)) {
        this.#sendEvent(watch, watch.path);
      }
    }
  }

  #sendEvent(watch: Watch, path: string): void {
    const payload = encodeStrings([watch.isRelative ? relativePath(path) : path, watch.token]);
    if (payload.length <= PAYLOAD_MAX) {
      this.#send({ type: XS_TYPE.watchEvent, requestId: 0, transactionId: 0, payload });
    }
  }

  #reply(request: Frame): { type: number; payload: Uint8Array } {
    try {
      const payload = this.#answer(request);
      if (payload.length > PAYLOAD_MAX) {
        throw new Refusal('E2BIG');
      }
      return { type: request.type, payload };
    } catch (error) {
      if (error instanceof Refusal) {
        return { type: XS_TYPE.error, payload: encodeStrings([error.reply]) };
      }
      throw error;
    }
  }

  #answer({ type, transactionId, payload }: Frame): Uint8Array {
    const aboutEntry = TREE_REQUESTS.get(type);
    if (aboutEntry !== undefined) {
      return aboutEntry(transactionId === 0 ? this.#store.tree : this.#transaction(transactionId), payload);
    }
    const aboutDomain = DOMAIN_REQUESTS.get(type);
    if (aboutDomain !== undefined) {
      return aboutDomain(this.#store, payload);
    }
    switch (type) {
      case XS_TYPE.watch:
        return this.#watch(payload);
      case XS_TYPE.unwatch:
        return this.#unwatch(payload);
      case XS_TYPE.resetWatches:
        this.#watches = [];
        this.#transactions.clear();
        return OK;
      case XS_TYPE.transactionStart:
        return this.#startTransaction(transactionId);
      case XS_TYPE.transactionEnd:
        return this.#endTransaction(transactionId, payload);
      default:
        throw new Refusal('ENOSYS');
    }
  }

  #watch(payload: Uint8Array): Uint8Array {
    const watch = parseWatch(payload);
    if (this.#watches.some(isSameAs(watch))) {
      throw new Refusal('EEXIST');
    }
    this.#watches.push(watch);
    return OK;
  }

  #unwatch(payload: Uint8Array): Uint8Array {
    const index = this.#watches.findIndex(isSameAs(parseWatch(payload)));
    if (index < 0) {
      throw new Refusal('ENOENT');
    }
    this.#watches.splice(index, 1);
    return OK;
  }

  #transaction(id: number): XenstoreTree {
    const transaction = this.#transactions.get(id);
    if (transaction === undefined) {
      throw new Refusal('ENOENT');
    }
    return transaction;
  }

  #startTransaction(inside: number): Uint8Array {
    if (inside !== 0) {
      throw new Refusal('EBUSY');
    }
    this.#lastTransaction += 1;
    this.#transactions.set(this.#lastTransaction, new XenstoreTree(this.#store.tree));
    return encodeStrings([String(this.#lastTransaction)]);
  }

  #endTransaction(id: number, payload: Uint8Array): Uint8Array {
    const [verdict = ''] = requestStrings(payload, 1);
    const transaction = this.#transaction(id);
    if (verdict !== 'T' && verdict !== 'F') {
      throw new Refusal('EINVAL');
    }
    this.#transactions.delete(id);
    if (verdict === 'T' && !this.#store.tree.commit(transaction)) {
      throw new Refusal('EAGAIN');
    }
    return OK;
  }
}

function parseWatch(payload: Uint8Array): Watch {
  const [path = '', token = ''] = requestStrings(payload, 2);
  if (path.startsWith('@')) {
    return { path, token, isRelative: false };
  }
  return { path: resolvePath(path), token, isRelative: !path.startsWith('/') };
}

function isSameAs(watch: Watch): (other: Watch) => boolean {
  return (other) => other.path === watch.path && other.token === watch.token;
}

function isAtOrBelow(path: string, above: string): boolean {
  return path === above || path.startsWith(above === '/' ? above : `${above}/`);
}
