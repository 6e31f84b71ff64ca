// Takes the place of lib/engine/memory.c where the sanitizers watch: each piece of memory is malloc(3)'s.

#include "engine.h"

#include <malloc.h>
#include <stdlib.h>

#ifndef REPORTS
#error "REPORTS has to be the path that the sanitizers' reports begin with."
#endif

// The caller's environment is cleared in the tests, so the options are here. The engine's own handlers of faults would
// hide them. A hook that ends leaves its memory to the kernel.
const char *__asan_default_options(void) {
  return "log_path=" REPORTS ":detect_leaks=0:handle_segv=2:handle_abort=2:handle_sigbus=2:handle_sigfpe=2:"
         "handle_sigill=2:detect_stack_use_after_return=1:exitcode=86";
}
const char *__ubsan_default_options(void) { return "print_stacktrace=1"; }

static void *take(JSMallocState *state, size_t size) {
  void *bytes = malloc(size);
  if (bytes == NULL) return NULL;
  state->malloc_count++;
  state->malloc_size += malloc_usable_size(bytes);
  return bytes;
}

static void give_back(JSMallocState *state, void *bytes) {
  if (bytes == NULL) return;
  state->malloc_count--;
  state->malloc_size -= malloc_usable_size(bytes);
  free(bytes);
}

static void *resize(JSMallocState *state, void *bytes, size_t size) {
  if (bytes == NULL) return size == 0 ? NULL : take(state, size);
  if (size == 0) {
    give_back(state, bytes);
    return NULL;
  }
  const size_t old = malloc_usable_size(bytes);
  void *moved = realloc(bytes, size);
  if (moved != NULL) state->malloc_size += malloc_usable_size(moved) - old;
  return moved;
}

static size_t size_of(const void *bytes) { return malloc_usable_size((void *)bytes); }

const JSMallocFunctions memory = {take, give_back, resize, size_of};

void keep_reserve(void) {}

// Such a program has no snapshot.
void begin_arena(char *start, char *end) { abort(); }
char *end_of_arena(void) { abort(); }
size_t save_supply(void *to) { return 0; }
void resume_supply(const void *from, char *start, char *end) { abort(); }
