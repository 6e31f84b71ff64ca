// What vitest's parts use of a runtime and the engine's program does without. Loaded before them.

/** Nobody listens: chai tells of what its plugins add, and no test is broken off. */
class Target {
  addEventListener(): void {}
  removeEventListener(): void {}
  dispatchEvent(): boolean {
    return true;
  }
}

class Controller {
  readonly signal = Object.assign(new Target(), { aborted: false });
}

/** Of what the models of hosts are made of: plain objects, arrays, maps and sets. */
function clone(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(clone);
  if (value instanceof Map) return new Map(clone([...value]) as [unknown, unknown][]);
  if (value instanceof Set) return new Set(clone([...value]) as unknown[]);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, clone(part)]));
}

Object.assign(globalThis, {
  AbortController: Controller,
  EventTarget: Target,
  Event: class {},
  structuredClone: clone,
});
