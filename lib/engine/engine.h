#ifndef ENGINE_H
#define ENGINE_H

#include "quickjs.h"

// A compiled module by its file's name.
struct module {
  const char *name;
  const uint8_t *bytes;
  size_t size;
};

// All modules of the program, the one to begin with first; the last one has no name. Made by the build.
extern const struct module modules[];

// What becomes of a function's result in JavaScript: a number, a number or null, a string.
enum result { INT, LONG, POINTER, TEXT };

struct function {
  const char *name;
  void *address;
  enum result result;
};

// All functions of the C library that the program calls; the last one has no name. Made by the build.
extern const struct function functions[];

// Where the errno of the last call is kept.
int *errno_location(void);

// How the engine gets its memory, and what is to be called before it does.
extern const JSMallocFunctions memory;
void keep_reserve(void);

// Tells xenstore, for a vif hook that a guest waits for, that the program came to an end. error: a few words
void last_words(char **argv, const char *error);

// The object whose methods are the functions of the C library that the program calls.
JSValue libc_functions(JSContext *ctx);

// Adds to an object what looks at memory: address, textAt and int32At.
void add_memory(JSContext *ctx, JSValueConst to);

// The bytes of a typed array; NULL, with an exception where it is none.
uint8_t *bytes_of(JSContext *ctx, JSValueConst array, size_t *length);

#endif
