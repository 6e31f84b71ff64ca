import {
  concatBytes,
  decodeStrings,
  decodeText,
  encodeStrings,
  PAYLOAD_MAX,
  XS_TYPE,
} from '../wire/xenstore.ts';
import { Refusal, resolvePath, type XenstoreTree } from './xenstore-tree.ts';

/** The state that all clients of a server share. */
export interface Store {
  readonly tree: XenstoreTree;
  /** The domains other than domain 0 that a toolstack has introduced, by their ids. */
  readonly domains: Set<number>;
}

/** Does a request about one entry and returns the reply's payload. */
type TreeRequest = (tree: XenstoreTree, payload: Uint8Array) => Uint8Array;
/** Does a request about one domain and returns the reply's payload. */
type DomainRequest = (store: Store, payload: Uint8Array) => Uint8Array;

/** The payload of a reply that only says that the request was done. */
export const OK: Uint8Array = encodeStrings(['OK']);

/**
 * The strings of a request.
 * @param count how many there must be
 * @throws Refusal EINVAL when there are more or fewer, or the last one has no NUL
 */
export function requestStrings(payload: Uint8Array, count: number): string[] {
  const strings = decodeStrings(payload);
  if (payload.at(-1) !== 0 || strings.length !== count) {
    throw new Refusal('EINVAL');
  }
  return strings;
}

function onlyPath(payload: Uint8Array): string {
  return resolvePath(requestStrings(payload, 1).join());
}

/** The path at the beginning of a payload, and the bytes after its NUL. */
function pathAndRest(payload: Uint8Array): [path: string, rest: Uint8Array] {
  const end = payload.indexOf(0);
  if (end < 0) {
    throw new Refusal('EINVAL');
  }
  return [resolvePath(decodeText(payload.subarray(0, end))), payload.subarray(end + 1)];
}

function write(tree: XenstoreTree, payload: Uint8Array): Uint8Array {
  const [path, value] = pathAndRest(payload);
  tree.write(path, value.slice());
  return OK;
}

function setPermissions(tree: XenstoreTree, payload: Uint8Array): Uint8Array {
  const [path, rest] = pathAndRest(payload);
  const permissions = decodeStrings(rest);
  if (permissions.length === 0 || !permissions.every((permission) => /^[nrwb]\d{1,5}$/.test(permission))) {
    throw new Refusal('EINVAL');
  }
  tree.setPermissions(path, permissions);
  return OK;
}

/** A range of a long list: whole names from an offset on; an empty name follows the last one. */
function directoryPart(tree: XenstoreTree, payload: Uint8Array): Uint8Array {
  const [path, rest] = pathAndRest(payload);
  const [offset = ''] = requestStrings(rest, 1);
  if (!/^\d{1,9}$/.test(offset)) {
    throw new Refusal('EINVAL');
  }
  const node = tree.get(path);
  const head = encodeStrings([String(node.generation)]);
  const names = encodeStrings(node.children);
  const start = Math.min(Number(offset), names.length);
  const room = PAYLOAD_MAX - head.length - 1;
  if (start + room >= names.length) {
    return concatBytes([head, names.subarray(start), encodeStrings([''])]);
  }
  return concatBytes([head, names.subarray(start, names.lastIndexOf(0, start + room - 1) + 1)]);
}

function make(tree: XenstoreTree, payload: Uint8Array): Uint8Array {
  tree.make(onlyPath(payload));
  return OK;
}

function remove(tree: XenstoreTree, payload: Uint8Array): Uint8Array {
  tree.remove(onlyPath(payload));
  return OK;
}

/** The domain id at the beginning of a payload with that many strings. */
function domainNumber(payload: Uint8Array, count: number): number {
  const [domain = ''] = requestStrings(payload, count);
  if (!/^\d{1,5}$/.test(domain)) {
    throw new Refusal('EINVAL');
  }
  return Number(domain);
}

function introduce({ domains, tree }: Store, payload: Uint8Array): Uint8Array {
  domains.add(domainNumber(payload, 3));
  tree.announce('@introduceDomain');
  return OK;
}

function release({ domains, tree }: Store, payload: Uint8Array): Uint8Array {
  if (!domains.delete(domainNumber(payload, 1))) {
    throw new Refusal('ENOENT');
  }
  tree.announce('@releaseDomain');
  return OK;
}

function isIntroduced({ domains }: Store, payload: Uint8Array): Uint8Array {
  const domain = domainNumber(payload, 1);
  return encodeStrings([domain === 0 || domains.has(domain) ? 'T' : 'F']);
}

/** The requests about entries, by type; each may be part of a transaction. They throw Refusal. */
export const TREE_REQUESTS: ReadonlyMap<number, TreeRequest> = new Map<number, TreeRequest>([
  [XS_TYPE.directory, (tree, payload) => encodeStrings(tree.get(onlyPath(payload)).children)],
  [XS_TYPE.directoryPart, directoryPart],
  [XS_TYPE.read, (tree, payload) => tree.get(onlyPath(payload)).value],
  [XS_TYPE.getPerms, (tree, payload) => encodeStrings(tree.get(onlyPath(payload)).permissions)],
  [XS_TYPE.setPerms, setPermissions],
  [XS_TYPE.write, write],
  [XS_TYPE.mkdir, make],
  [XS_TYPE.rm, remove],
]);

/** The requests about domains, by type. They throw Refusal. */
export const DOMAIN_REQUESTS: ReadonlyMap<number, DomainRequest> = new Map<number, DomainRequest>([
  [XS_TYPE.introduce, introduce],
  [XS_TYPE.release, release],
  [XS_TYPE.isDomainIntroduced, isIntroduced],
  [XS_TYPE.getDomainPath, (_, payload) => encodeStrings([`/local/domain/${domainNumber(payload, 1)}`])],
]);
