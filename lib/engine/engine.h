#ifndef ENGINE_H
#define ENGINE_H

#include "quickjs.h"

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

// The engine's allocator, and the function to call before its first use.
extern const JSMallocFunctions memory;
void keep_reserve(void);

// Reports to xenstore, for a vif hook for which a guest waits, that the program ended. error: a few words
void last_words(char **argv, const char *error);

// The object whose methods are the C library's functions that the program calls.
JSValue libc_functions(JSContext *ctx);

// Adds the functions that read memory: address, textAt and int32At.
void add_memory(JSContext *ctx, JSValueConst to);

// The bytes of a typed array; NULL with an exception for any other value.
uint8_t *bytes_of(JSContext *ctx, JSValueConst array, size_t *length);

#endif
