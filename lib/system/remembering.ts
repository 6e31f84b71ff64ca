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
  /**
   * An answer that follows from what was read; it is forgotten with that.
   * @param question what is asked; the same question always has an answer of the same type
   * @param ask gives the answer
   */
  once<T>(question: string, ask: () => T): T;
}

/**
 * A system that reads each file and each folder once, for a look at the host that asks for the same records many times
 * and shall see one state of them. Not for a look that waits for a change.
 * @param system the way to the host; one that is such a system already is taken as it is
 */
export function remembering(system: System): Remembering {
  if (isRemembering(system)) return system;
  const fresh = () => ({
    readText: onceEach((path: string) => system.readText(path)),
    list: onceEach((path: string) => system.list(path)),
    exists: onceEach((path: string) => system.exists(path)),
    answers: new Map<string, unknown>(),
  });
  let known = fresh();
  const forget = () => {
    known = fresh();
  };
  return {
    ...system,
    forget,
    once<T>(question: string, ask: () => T): T {
      const { answers } = known;
      if (!answers.has(question)) answers.set(question, ask());
      return answers.get(question) as T;
    },
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

/**
 * Whether a system keeps what it has read.
 * @param system the way to the host
 */
export function isRemembering(system: System): system is Remembering {
  return 'forget' in system;
}
