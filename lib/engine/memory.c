// The engine's memory. The engine allocates small pieces tens of thousands of times in a hook's few
// milliseconds, and malloc(3) took a fifth of that time. Here a piece comes from a list of free pieces of its
// size, or from the end of the last block.

#include "engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { STEP = 16, LARGEST = 512, BLOCK = 256 << 10, BITS = 64 };

// Freed when there is no more memory: the program gets an error at once, and has this much for its last
// words, above all those to xenstore, for which a guest waits.
enum { RESERVE = 512 << 10 };
static void *reserve;

// Not malloc(3)'s, which would begin to work for it.
void keep_reserve(void) {
  reserve = mmap(NULL, RESERVE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (reserve == MAP_FAILED) reserve = NULL;
}

static void *none(void) {
  if (reserve != NULL) munmap(reserve, RESERVE);
  return reserve = NULL;
}

// The header of each piece: how many bytes it can hold.
struct piece {
  size_t size;
  union {
    struct piece *next;
    char bytes[1];
  };
};

enum { HEADER = offsetof(struct piece, bytes) };

// Where small pieces come from, and large ones of the arena, which are kept by the highest bit of their size.
static struct supply {
  struct piece *unused[LARGEST / STEP + 1], *unused_large[BITS];
  char *block, *block_end;
} supply;

// The arena: where the snapshot is, and what was behind it. No piece in it is malloc(3)'s.
static char *arena, *arena_end;
// While a snapshot is made, all pieces come from there.
static bool making;

static bool in_arena(const void *address) {
  return (const char *)address >= arena && (const char *)address < arena_end;
}

void begin_arena(char *start, char *end) {
  making = true;
  arena = supply.block = start;
  arena_end = supply.block_end = end;
}

static void clear(struct piece *piece) {
  for (; piece != NULL; piece = piece->next)
    memset(piece->bytes + sizeof piece->next, 0, piece->size - sizeof piece->next);
}

char *end_of_arena(void) {
  for (size_t i = 0; i <= LARGEST / STEP; i++) clear(supply.unused[i]);
  for (size_t i = 0; i < BITS; i++) clear(supply.unused_large[i]);
  return supply.block;
}

size_t save_supply(void *to) {
  if (to != NULL) {
    *(struct supply *)to = supply;
    // The arena that continues has another end.
    ((struct supply *)to)->block_end = NULL;
  }
  return sizeof supply;
}

void resume_supply(const void *from, char *start, char *end) {
  supply = *(const struct supply *)from;
  arena = start;
  arena_end = supply.block_end = end;
}

static struct piece *piece_of(const void *bytes) { return (struct piece *)((char *)bytes - HEADER); }

// A new piece from the block.
static void *fresh(size_t rounded) {
  if ((size_t)(supply.block_end - supply.block) < HEADER + rounded) {
    supply.block = making ? NULL : malloc(BLOCK);
    if (supply.block == NULL) return supply.block_end = none();
    supply.block_end = supply.block + BLOCK;
  }
  struct piece *piece = (struct piece *)supply.block;
  supply.block += HEADER + rounded;
  piece->size = rounded;
  return piece->bytes;
}

static int highest_bit(size_t size) { return BITS - 1 - __builtin_clzl(size); }

static void *used_before(size_t rounded) {
  for (int bit = highest_bit(rounded), more = 0; more < 2 && bit + more < BITS; more++) {
    struct piece **list = &supply.unused_large[bit + more], *piece = *list;
    if (piece == NULL || piece->size < rounded) continue;
    *list = piece->next;
    return piece->bytes;
  }
  return NULL;
}

// A large piece comes from the arena as long as that has room: its pages are there already, malloc(3)'s would
// cost a fault each.
static void *large(size_t size) {
  const size_t rounded = (size + STEP - 1) / STEP * STEP;
  void *bytes = used_before(rounded);
  if (bytes != NULL) return bytes;
  if (making || (in_arena(supply.block) && (size_t)(supply.block_end - supply.block) >= HEADER + rounded))
    return fresh(rounded);
  struct piece *piece = malloc(HEADER + size);
  if (piece == NULL) return none();
  piece->size = size;
  return piece->bytes;
}

static void *small(size_t size) {
  const size_t rounded = (size + STEP - 1) / STEP * STEP;
  struct piece **list = &supply.unused[rounded / STEP];
  struct piece *piece = *list;
  if (piece != NULL) {
    *list = piece->next;
    return piece->bytes;
  }
  return fresh(rounded);
}

static void *take(JSMallocState *state, size_t size) {
  void *bytes = size <= LARGEST ? small(size) : large(size);
  if (bytes == NULL) return NULL;
  // Part of an old address in the rest of a piece would be in the snapshot, and would differ from run to run.
  if (making) memset(bytes, 0, piece_of(bytes)->size);
  state->malloc_count++;
  state->malloc_size += piece_of(bytes)->size;
  return bytes;
}

static void give_back(JSMallocState *state, void *bytes) {
  if (bytes == NULL) return;
  struct piece *piece = piece_of(bytes);
  state->malloc_count--;
  state->malloc_size -= piece->size;
  if (piece->size > LARGEST && !in_arena(piece)) {
    free(piece);
    return;
  }
  struct piece **list = piece->size > LARGEST ? &supply.unused_large[highest_bit(piece->size)]
                                              : &supply.unused[piece->size / STEP];
  piece->next = *list;
  *list = piece;
}

static void *resize(JSMallocState *state, void *bytes, size_t size) {
  if (bytes == NULL) return size == 0 ? NULL : take(state, size);
  const size_t old = piece_of(bytes)->size;
  if (size == 0) {
    give_back(state, bytes);
    return NULL;
  }
  if (size <= old && old <= LARGEST) return bytes;
  if (size > LARGEST && old > LARGEST && !in_arena(bytes)) {
    struct piece *piece = realloc(piece_of(bytes), HEADER + size);
    if (piece == NULL) return none();
    state->malloc_size += size - old;
    piece->size = size;
    return piece->bytes;
  }
  void *moved = take(state, size);
  if (moved == NULL) return NULL;
  memcpy(moved, bytes, old < size ? old : size);
  give_back(state, bytes);
  return moved;
}

static size_t size_of(const void *bytes) { return bytes == NULL ? 0 : piece_of(bytes)->size; }

const JSMallocFunctions memory = {take, give_back, resize, size_of};
