import type { Native } from './native.ts';

/**
 * Loads the port for the present runtime: through the C library wherever it can be called, through Node's modules in
 * Node.
 */
export async function loadNative(): Promise<Native> {
  const { node, bun } = process.versions;
  if (node !== undefined && bun === undefined) {
    return (await import('../node/native-node.ts')).nodeNative;
  }
  return (await import('./native-libc.ts')).libcNative;
}
