import type { System } from './system.ts';

/**
 * A system that reads each file and each folder once, for a look at the host that asks for the same records many times
 * and shall see one state of them. Not for a look that waits for a change.
 * @param system the way to the host
 */
export function remembering(system: System): System {
  const texts = new Map<string, { readonly value: string | undefined }>();
  const lists = new Map<string, { readonly value: string[] }>();
  const found = new Map<string, { readonly value: boolean }>();
  return {
    ...system,
    readText: (path) => once(texts, path, () => system.readText(path)),
    list: (path) => once(lists, path, () => system.list(path)),
    exists: (path) => once(found, path, () => system.exists(path)),
    // Whoever reads a record that cannot be understood renames it.
    rename(path, to) {
      for (const known of [texts, lists, found]) known.clear();
      system.rename(path, to);
    },
  };
}

function once<T>(known: Map<string, { readonly value: T }>, path: string, read: () => T): T {
  const former = known.get(path);
  if (former !== undefined) return former.value;
  const value = read();
  known.set(path, { value });
  return value;
}
