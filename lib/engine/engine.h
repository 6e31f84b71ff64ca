#ifndef ENGINE_H
#define ENGINE_H

#include "quickjs.h"

#include <stdbool.h>
#include <stdint.h>

// A compiled module and the name of its file.
struct module {
  const char *name;
  const uint8_t *bytes;
  size_t size;
};

// All modules of the program, the entry first; the last one has no name. Made by the build.
extern const struct module modules[];

// The JavaScript type of a function's result: a number, a number or null, a string.
enum result { INT, LONG, POINTER, TEXT };

struct function {
  const char *name;
  void *address;
  enum result result;
};

// All functions of the C library that the program calls; the last one has no name. Made by the build.
extern const struct function functions[];

// The address of the last call's errno.
int *errno_location(void);

// strerror(3), in the words that `ip` and other programs of a host use, whatever C library this one has.
const char *error_text(int number);

// open(2) by the same system call with any C library: whoever watches the program, or lets its calls fail, counts on that.
int open_file(const char *path, int flags, unsigned int mode);

// getdents64(2) and statx(2), which not every C library has.
ssize_t entries_of(int fd, void *to, size_t size);
int status_of(int fd, const char *path, int flags, unsigned int mask, void *to);

// The engine's allocator, and the function to call before its first use.
extern const JSMallocFunctions memory;
void keep_reserve(void);

// From now on all pieces of memory come from the arena, small and large.
void begin_arena(char *start, char *end);

// Overwrites what unused pieces contained; returns where the part of the arena that was never used begins.
char *end_of_arena(void);

// Writes the allocator's state, unless to is NULL; returns how many bytes it has.
size_t save_supply(void *to);

// Continues with a saved state in this arena.
void resume_supply(const void *from, char *start, char *end);

// The engine with all modules that were loaded.
struct program {
  JSRuntime *runtime;
  JSContext *context;
};

// The state of the snapshot: there is none, the program is to make one and end, or there is one.
enum { NO_SNAPSHOT = 0, MAKE_SNAPSHOT = 1, SNAPSHOT = 2 };

// The snapshot, and a bit for each of its words: whether that is an address, relative to the snapshot's begin.
// Made by the build.
extern const uint64_t snapshot[], snapshot_addresses[];
extern const size_t snapshot_size;

int snapshot_state(void);

// Added to the engine by the build: what addresses are relative to where the engine keeps a hash of one.
void JS_SetAddressBase(const void *base);

// Continues where the snapshot was made; false when there is no snapshot for this program.
bool resume_snapshot(struct program *program);

// From now on the engine's memory is a snapshot's, until that is written to standard output. Modules may be
// loaded after begin_loading.
void begin_snapshot(void);
void begin_loading(void);
void write_snapshot(struct program program);

// Why nothing may be asked of the system now: a module that is loaded for the snapshot would keep the answer.
// Returns NULL at all other times.
const char *why_not_now(void);

// Reports to xenstore, for a vif hook for which a guest waits, that the program ended. error: a few words
void last_words(char **argv, const char *error);

// The object whose methods are the C library's functions that the program calls.
JSValue libc_functions(JSContext *ctx);

// Adds the functions that read memory: address, textAt and int32At.
void add_memory(JSContext *ctx, JSValueConst to);

// The bytes of a typed array; NULL with an exception for any other value.
uint8_t *bytes_of(JSContext *ctx, JSValueConst array, size_t *length);

#endif
