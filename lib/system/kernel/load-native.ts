import type { Native } from './native.ts';

/** The twin for the runtime that this program runs in: the C library wherever it can be called, Node's own ways in Node. */
export async function loadNative(): Promise<Native> {
  const { node, bun } = process.versions;
  if (node !== undefined && bun === undefined) {
    return (await import('../node/native-node.ts')).nodeNative;
  }
  return (await import('./native-libc.ts')).libcNative;
}
