// The engine's memory. The engine allocates small pieces tens of thousands of times in a hook's few
// milliseconds, and malloc(3) took a fifth of that time. Here a piece comes from a list of free pieces of its
// size, or from the end of the last block.

#include "engine.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { STEP = 16, LARGEST = 512, BLOCK = 256 << 10 };

// Freed when there is no more memory: the program gets an error at once, and has this much for its last
// words, above all those to xenstore, for which a guest waits.
enum { RESERVE = 512 << 10 };
static void *reserve;

void keep_reserve(void) { reserve = malloc(RESERVE); }

static void *none(void) {
  free(reserve);
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

static struct piece *unused[LARGEST / STEP + 1];
static char *block, *block_end;

static struct piece *piece_of(const void *bytes) { return (struct piece *)((char *)bytes - HEADER); }

static void *small(size_t size) {
  const size_t rounded = (size + STEP - 1) / STEP * STEP;
  struct piece **list = &unused[rounded / STEP];
  struct piece *piece = *list;
  if (piece != NULL) {
    *list = piece->next;
    return piece->bytes;
  }
  if ((size_t)(block_end - block) < HEADER + rounded) {
    block = malloc(BLOCK);
    if (block == NULL) return block_end = none();
    block_end = block + BLOCK;
  }
  piece = (struct piece *)block;
  block += HEADER + rounded;
  piece->size = rounded;
  return piece->bytes;
}

static void *take(JSMallocState *state, size_t size) {
  void *bytes;
  if (size <= LARGEST) {
    bytes = small(size);
  } else {
    struct piece *piece = malloc(HEADER + size);
    if (piece != NULL) piece->size = size;
    bytes = piece == NULL ? none() : piece->bytes;
  }
  if (bytes == NULL) return NULL;
  state->malloc_count++;
  state->malloc_size += piece_of(bytes)->size;
  return bytes;
}

static void give_back(JSMallocState *state, void *bytes) {
  if (bytes == NULL) return;
  struct piece *piece = piece_of(bytes);
  state->malloc_count--;
  state->malloc_size -= piece->size;
  if (piece->size > LARGEST) return free(piece);
  struct piece **list = &unused[piece->size / STEP];
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
  if (size > LARGEST && old > LARGEST) {
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
