import { TAP_SUFFIX } from '../../request/names.ts';
import type { Xenstore } from '../../system/xenstore/xenstore.ts';

/** A guest's card, as xenstore lists it. */
export interface Backend {
  readonly domid: string;
  readonly devid: string;
}

/** What xenstore tells of a card, by key; undefined where it has no such entry. */
export type BackendValues = Readonly<Record<string, string | undefined>>;

/** A card, with what was read of it. */
export interface ReadBackend extends Backend {
  /** The guest's name. */
  readonly guest: string | undefined;
  readonly values: BackendValues;
}

/**
 * The cards of all guests. Requests that are made together are sent together.
 * @param store xenstore
 */
export async function listBackends(store: Xenstore): Promise<Backend[]> {
  const numbersBelow = async (path: string) =>
    ((await store.list(path)) ?? []).filter((name) => /^\d{1,5}$/.test(name));
  const domids = await numbersBelow('backend/vif');
  const devids = await Promise.all(domids.map((domid) => numbersBelow(`backend/vif/${domid}`)));
  return domids.flatMap((domid, i) => (devids[i] ?? []).map((devid) => ({ domid, devid })));
}

/**
 * Where xenstore has a card, from the home of the caller's domain on (docs/contract.md, "xenstore").
 * @param backend the card
 */
export function backendPath({ domid, devid }: Backend): string {
  return `backend/vif/${domid}/${devid}`;
}

/**
 * The kernel's names of a card's devices, the vif and the tap.
 * @param backend the card
 */
export function deviceNames({ domid, devid }: Backend): readonly [vif: string, tap: string] {
  return [`vif${domid}.${devid}`, `vif${domid}.${devid}${TAP_SUFFIX}`];
}

/**
 * Reads a card's entries. It asks first which there are: most cards have few of those that hooks know, and each answer
 * costs the time of xenstored, which all wait for.
 * @param store xenstore
 * @param backend the card
 * @param keys their names
 */
export async function readBackend(
  store: Xenstore,
  backend: Backend,
  keys: readonly string[],
): Promise<BackendValues> {
  const path = backendPath(backend);
  const there = new Set(await store.list(path));
  const wanted = keys.filter((key) => there.has(key));
  return byKey(wanted, await store.readMany(wanted.map((key) => `${path}/${key}`)));
}

/**
 * Reads a card's entries and the name of its guest in one round trip.
 * @param store xenstore
 * @param backend the card
 * @param keys the entries' names
 */
export async function readNamedBackend(
  store: Xenstore,
  backend: Backend,
  keys: readonly string[],
): Promise<ReadBackend> {
  const [guest, ...values] = await store.readMany([
    `/local/domain/${backend.domid}/name`,
    ...keys.map((key) => `${backendPath(backend)}/${key}`),
  ]);
  return { ...backend, guest, values: byKey(keys, values) };
}

/**
 * Reads entries of the cards of all guests, and the guests' names.
 * @param store xenstore
 * @param keys the entries' names
 */
export async function readBackends(store: Xenstore, keys: readonly string[]): Promise<ReadBackend[]> {
  const found: ReadBackend[] = [];
  for (const backend of await listBackends(store)) found.push(await readNamedBackend(store, backend, keys));
  return found;
}

function byKey(keys: readonly string[], values: readonly (string | undefined)[]): BackendValues {
  return Object.fromEntries(keys.map((key, i) => [key, values[i]]));
}
