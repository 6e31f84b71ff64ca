// The functions of the C library that the program calls, as methods that take numbers, BigInts, typed arrays (whose
// address is passed) and null. libc.ts names them with their types, for Bun and for the type checker.

#include "engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum result { INT, LONG, POINTER, TEXT };

// What the last call left: the engine's own work in between may set errno as well.
static int last_errno;
static int *errno_location(void) { return &last_errno; }

#define RETURNS(kind, name) {#name, (void *)name, kind}

static const struct function {
  const char *name;
  void *address;
  enum result result;
} FUNCTIONS[] = {
    {"__errno_location", (void *)errno_location, POINTER},
    RETURNS(INT, access),
    RETURNS(INT, chdir),
    RETURNS(INT, close),
    RETURNS(INT, closedir),
    RETURNS(INT, connect),
    RETURNS(INT, fcntl),
    RETURNS(INT, flock),
    RETURNS(INT, getpid),
    RETURNS(INT, kill),
    RETURNS(LONG, lseek),
    RETURNS(INT, memfd_create),
    RETURNS(INT, mkdir),
    RETURNS(INT, open),
    RETURNS(POINTER, opendir),
    RETURNS(INT, pipe2),
    RETURNS(INT, poll),
    RETURNS(INT, posix_spawn),
    RETURNS(INT, posix_spawn_file_actions_adddup2),
    RETURNS(INT, posix_spawn_file_actions_init),
    RETURNS(INT, posix_spawnattr_init),
    RETURNS(INT, posix_spawnattr_setflags),
    RETURNS(INT, posix_spawnattr_setsigdefault),
    RETURNS(INT, posix_spawnattr_setsigmask),
    RETURNS(LONG, read),
    RETURNS(POINTER, readdir),
    RETURNS(LONG, readlink),
    RETURNS(INT, rename),
    RETURNS(INT, setitimer),
    RETURNS(INT, setsockopt),
    RETURNS(INT, siginterrupt),
    RETURNS(LONG, signal),
    RETURNS(INT, socket),
    RETURNS(INT, statx),
    RETURNS(TEXT, strerror),
    RETURNS(LONG, syscall),
    RETURNS(INT, unlink),
    RETURNS(INT, waitpid),
    RETURNS(LONG, write),
};

enum { COUNT = sizeof FUNCTIONS / sizeof *FUNCTIONS, MOST_ARGUMENTS = 6 };

uint8_t *bytes_of(JSContext *ctx, JSValueConst array, size_t *length) {
  size_t offset, whole;
  JSValue buffer = JS_GetTypedArrayBuffer(ctx, array, &offset, length, NULL);
  if (JS_IsException(buffer)) return NULL;
  uint8_t *bytes = JS_GetArrayBuffer(ctx, &whole, buffer);
  // The array itself keeps its buffer.
  JS_FreeValue(ctx, buffer);
  return bytes == NULL ? NULL : bytes + offset;
}

static int argument(JSContext *ctx, JSValueConst value, long *word) {
  int64_t number = 0;
  size_t length;
  int failed = 0;
  if (JS_IsNumber(value)) {
    failed = JS_ToInt64(ctx, &number, value);
  } else if (JS_IsBigInt(ctx, value)) {
    failed = JS_ToBigInt64(ctx, &number, value);
  } else if (!JS_IsNull(value)) {
    number = (long)bytes_of(ctx, value, &length);
    failed = number == 0;
  }
  *word = number;
  return failed;
}

static JSValue call(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv, int index) {
  long word[MOST_ARGUMENTS] = {0};
  if (argc > MOST_ARGUMENTS) return JS_ThrowTypeError(ctx, "%s has too many arguments", FUNCTIONS[index].name);
  for (int i = 0; i < argc; i++)
    if (argument(ctx, argv[i], &word[i])) return JS_EXCEPTION;
  // On the machines that we run on, whole numbers and pointers go the same way, whatever their type.
  long (*function)(long, long, long, long, long, long) = FUNCTIONS[index].address;
  long result = function(word[0], word[1], word[2], word[3], word[4], word[5]);
  if ((void *)function != (void *)errno_location) last_errno = errno;
  switch (FUNCTIONS[index].result) {
    case INT: return JS_NewInt32(ctx, (int)result);
    case LONG: return JS_NewInt64(ctx, result);
    case POINTER: return result == 0 ? JS_NULL : JS_NewInt64(ctx, result);
    default: return JS_NewString(ctx, (const char *)result);
  }
}

JSValue libc_functions(JSContext *ctx) {
  JSValue all = JS_NewObject(ctx);
  for (int i = 0; i < COUNT; i++) {
    const char *name = FUNCTIONS[i].name;
    JS_SetPropertyStr(ctx, all, name, JS_NewCFunctionMagic(ctx, call, name, 0, JS_CFUNC_generic_magic, i));
  }
  return all;
}

// address(array): of its bytes in memory
static JSValue address(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  size_t length;
  uint8_t *bytes = bytes_of(ctx, argv[0], &length);
  return bytes == NULL ? JS_EXCEPTION : JS_NewInt64(ctx, (long)bytes);
}

// textAt(address): the C string there
static JSValue text_at(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  int64_t at;
  return JS_ToInt64(ctx, &at, argv[0]) ? JS_EXCEPTION : JS_NewString(ctx, (const char *)at);
}

// int32At(address): the int there
static JSValue int32_at(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  int64_t at;
  return JS_ToInt64(ctx, &at, argv[0]) ? JS_EXCEPTION : JS_NewInt32(ctx, *(const int *)at);
}

static const JSCFunctionListEntry MEMORY[] = {
    JS_CFUNC_DEF("address", 1, address),
    JS_CFUNC_DEF("textAt", 1, text_at),
    JS_CFUNC_DEF("int32At", 1, int32_at),
};

void add_memory(JSContext *ctx, JSValueConst to) {
  JS_SetPropertyFunctionList(ctx, to, MEMORY, sizeof MEMORY / sizeof *MEMORY);
}
