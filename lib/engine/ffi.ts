// Replaces bun:ffi in the compiled program: the same names, as far as lib/system/kernel/libc.ts uses them.

import './engine.ts';

/** The build has compiled the types of all functions into the program, so here the names only have to exist. */
export const FFIType = {};

/**
 * The functions of the C library.
 * @param _library its name; there is only the one that the program is linked with
 */
export function dlopen(_library: string): { symbols: object } {
  return { symbols: engine.libc };
}

/**
 * The address of a typed array's bytes.
 * @param bytes the array, which must be kept for as long as the address is in use
 */
export function ptr(bytes: ArrayBufferView): number {
  return engine.address(bytes);
}

export const read = {
  /** The int at an address. */
  i32: (address: number): number => engine.int32At(address),
};
