// Puts the snapshot into the program (lib/engine/snapshot.c): the program itself writes its memory down, twice, at other
// addresses each time. What differs by the distance between them is an address; anything else that differs must not be
// there.

import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './runtime.ts';

const PAGE = 4096;
const WORD = 8;
const WORD_BITS = 64;
/** More than there is of the program, and of its stack; the next call has another stack, so an address there becomes 0. */
const PROGRAM_BYTES = 16n << 20n;
const STACK_BYTES = 2n << 20n;
const ATTEMPTS = 20;

/** No snapshot: the program reads its bytecode. */
const NONE = 0;
/** The program makes one and ends. */
const MAKE = 1;

interface Dump {
  /** Places in the program's file. */
  readonly at: { readonly snapshot: number; readonly addresses: number };
  /** Where the memory was, where the program's own copy of it is to be, and some place on the stack. */
  readonly memoryAt: bigint;
  readonly programAt: bigint;
  readonly stackAt: bigint;
  readonly memory: Buffer;
}

interface Image {
  readonly memory: Buffer;
  /** A bit for each word. */
  readonly addresses: Buffer;
}

/**
 * The C file with the snapshot's room.
 * @param path where to write it
 * @param state what the program does
 * @param bytes the room, in whole pages
 */
async function writeRoom(path: string, state: number, bytes: number): Promise<void> {
  const lines = [
    '#include "engine.h"',
    `const uint64_t snapshot[${bytes / WORD}] = {${state}};`,
    `const uint64_t snapshot_addresses[${bytes / WORD / WORD_BITS}] = {1};`,
    'const size_t snapshot_size = sizeof snapshot;',
  ];
  await writeFile(path, `${lines.join('\n')}\n`);
}

/**
 * Links the program with a snapshot in it, or without one if it can be made only on another machine.
 * @param folder the build's
 * @param canRun whether the program runs on this machine
 * @param link links the program with one more C file; returns its path
 * @throws Error when a module does what the snapshot must not contain; ProcessOutput when the program fails
 */
export async function linkWithSnapshot(
  folder: string,
  canRun: boolean,
  link: (file: string) => Promise<string>,
): Promise<void> {
  const room = join(folder, 'snapshot-room.c');
  if (canRun) {
    await writeRoom(room, MAKE, PAGE);
    // How large it is does not depend on where anything lies.
    const { length } = (await dump(await link(room))).memory;
    await writeRoom(room, MAKE, length);
    const program = await link(room);
    const pair = await twoDumps(program);
    if (pair !== undefined) return put(program, pair[0], imageOf(...pair));
    process.stdout.write('This machine starts programs at one address only: the program gets no snapshot.\n');
  }
  await writeRoom(room, NONE, PAGE);
  await link(room);
}

async function dump(program: string): Promise<Dump> {
  const file = `${program}.dump`;
  await run({ env: {} })`/bin/sh -c ${'"$0" >"$1"'} ${program} ${file}`;
  const whole = await readFile(file);
  const end = whole.indexOf('\n');
  const [size, snapshot, addresses, ...places] = whole.subarray(0, end).toString('latin1').split(' ');
  const [memoryAt = 0n, programAt = 0n, stackAt = 0n] = places.map(BigInt);
  const memory = whole.subarray(end + 1);
  if (memory.length !== Number(size))
    throw new Error(`The snapshot has ${memory.length} bytes instead of ${size}.`);
  const at = { snapshot: Number(snapshot), addresses: Number(addresses) };
  return { at, memoryAt, programAt, stackAt, memory };
}

/** @returns undefined where the program is always at the same address */
async function twoDumps(program: string): Promise<[Dump, Dump] | undefined> {
  const first = await dump(program);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const second = await dump(program);
    if (second.memoryAt !== first.memoryAt && second.programAt !== first.programAt) return [first, second];
  }
  return undefined;
}

/**
 * What both dumps have in common, with each address relative to what it lies in.
 * @throws Error naming the first word that is neither equal nor an address in the memory or the program
 */
function imageOf(one: Dump, other: Dump): Image {
  const memory = Buffer.from(one.memory);
  const addresses = Buffer.alloc(memory.length / WORD_BITS);
  for (let at = 0; at < memory.length; at += WORD) {
    const [a, b] = [one.memory.readBigUInt64LE(at), other.memory.readBigUInt64LE(at)];
    if (a === b) continue;
    const common = commonOffset(one, a, other, b);
    if (common === undefined) {
      const words = [a, b].map((word) => word.toString(16)).join(' and ');
      throw new Error(`The snapshot differs from run to run at byte ${at}: ${words}.`);
    }
    memory.writeBigUInt64LE(BigInt.asUintN(64, common === 'stack' ? 0n : common), at);
    if (common === 'stack') continue;
    const bit = at / WORD;
    addresses[bit >> 3] = (addresses[bit >> 3] ?? 0) | (1 << (bit & 7));
  }
  return { memory, addresses };
}

/** Offsets below the size of the memory are in the memory, all others in the program. */
function commonOffset(one: Dump, a: bigint, other: Dump, b: bigint): bigint | 'stack' | undefined {
  const inMemory = a - one.memoryAt;
  const isInMemory = inMemory >= 0n && inMemory < BigInt(one.memory.length);
  if (isInMemory) return inMemory === b - other.memoryAt ? inMemory : undefined;
  const inProgram = a - one.programAt;
  if (inProgram === b - other.programAt && isNear(a, one.programAt, PROGRAM_BYTES)) return inProgram;
  const isOnStack = isNear(a, one.stackAt, STACK_BYTES) && isNear(b, other.stackAt, STACK_BYTES);
  return isOnStack ? 'stack' : undefined;
}

function isNear(a: bigint, place: bigint, distance: bigint): boolean {
  return a > place - distance && a < place + distance;
}

async function put(program: string, { at }: Dump, { memory, addresses }: Image): Promise<void> {
  const file = await open(program, 'r+');
  try {
    await file.write(memory, 0, memory.length, at.snapshot);
    await file.write(addresses, 0, addresses.length, at.addresses);
  } finally {
    await file.close();
  }
}
