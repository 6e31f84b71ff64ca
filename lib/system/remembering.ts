import type { System } from './system.ts';

/**
 * Asks a question once for each key, however often its answer is needed.
 * @param look gives the answer
 */
export function onceEach<K, V>(look: (key: K) => V): (key: K) => V {
  const known = new Map<K, { readonly value: V }>();
  return (key) => {
    const found = known.get(key) ?? { value: look(key) };
    known.set(key, found);
    return found.value;
  };
}

/** A system that keeps what it has read. */
export interface Remembering extends System {
  /** From now on everything is read again. */
  forget(): void;
}

/**
 * A system that reads each file and each folder once, for a look at the host that asks for the same records many times
 * and shall see one state of them. Not for a look that waits for a change.
 * @param system the way to the host
 */
export function remembering(system: System): Remembering {
  const fresh = () => ({
    readText: onceEach((path: string) => system.readText(path)),
    list: onceEach((path: string) => system.list(path)),
    exists: onceEach((path: string) => system.exists(path)),
  });
  let known = fresh();
  const forget = () => {
    known = fresh();
  };
  return {
    ...system,
    forget,
    readText: (path) => known.readText(path),
    list: (path) => known.list(path),
    exists: (path) => known.exists(path),
    // Whoever reads a record that cannot be understood renames it.
    rename(path, to) {
      forget();
      system.rename(path, to);
    },
  };
}
