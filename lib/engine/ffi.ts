// Stands in for bun:ffi in the compiled program: the same names, for as much of them as lib/system/kernel/libc.ts uses.

import './engine.ts';

/** The build has put the types of all functions into the program: here they only have to be there. */
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
 * @param bytes the array, which must be kept as long as the address is used
 */
export function ptr(bytes: ArrayBufferView): number {
  return engine.address(bytes);
}

export const read = {
  /** The int at an address. */
  i32: (address: number): number => engine.int32At(address),
};

/** The C string at an address, some bytes further on. */
export class CString extends String {
  constructor(address: number, offset = 0) {
    super(engine.textAt(address + offset));
  }
}
