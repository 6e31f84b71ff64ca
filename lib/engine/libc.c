// The functions of the C library that the program calls, as methods that take numbers, BigInts, typed arrays
// (their address is passed) and null. lib/system/kernel/libc.ts lists them.

#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_ARGUMENTS = 6 };

// errno after the last call; the engine itself may change errno before the program asks for it.
static int last_errno;

int *errno_location(void) { return &last_errno; }

const char *error_text(int number) {
  switch (number) {
    case EIO: return "Input/output error";
    case ENOMEM: return "Cannot allocate memory";
    case EBUSY: return "Device or resource busy";
    case EMFILE: return "Too many open files";
    case ENOTTY: return "Inappropriate ioctl for device";
    case ERANGE: return "Numerical result out of range";
    case ENAMETOOLONG: return "File name too long";
    case ELOOP: return "Too many levels of symbolic links";
    case EOVERFLOW: return "Value too large for defined data type";
    case EMSGSIZE: return "Message too long";
    case EOPNOTSUPP: return "Operation not supported";
    case EADDRINUSE: return "Address already in use";
    case EADDRNOTAVAIL: return "Cannot assign requested address";
    case ENETUNREACH: return "Network is unreachable";
    case ENOTCONN: return "Transport endpoint is not connected";
    case ETIMEDOUT: return "Connection timed out";
    case EHOSTUNREACH: return "No route to host";
    case EDQUOT: return "Disk quota exceeded";
    default: return strerror(number);
  }
}

int open_file(const char *path, int flags, unsigned int mode) { return openat(AT_FDCWD, path, flags, mode); }

ssize_t entries_of(int fd, void *to, size_t size) { return syscall(SYS_getdents64, fd, to, size); }

int status_of(int fd, const char *path, int flags, unsigned int mask, void *to) {
  return syscall(SYS_statx, fd, path, flags, mask, to);
}

uint8_t *bytes_of(JSContext *ctx, JSValueConst array, size_t *length) {
  size_t offset, whole;
  JSValue buffer = JS_GetTypedArrayBuffer(ctx, array, &offset, length, NULL);
  if (JS_IsException(buffer)) return NULL;
  uint8_t *bytes = JS_GetArrayBuffer(ctx, &whole, buffer);
  // The array keeps its buffer alive.
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
  if (why_not_now() != NULL) return JS_ThrowInternalError(ctx, "%s: %s", functions[index].name, why_not_now());
  if (argc > MOST_ARGUMENTS) return JS_ThrowTypeError(ctx, "%s has too many arguments", functions[index].name);
  for (int i = 0; i < argc; i++)
    if (argument(ctx, argv[i], &word[i])) return JS_EXCEPTION;
  // On the machines that we run on whole numbers and pointers are passed in the same way, whatever their
  // type.
  long (*function)(long, long, long, long, long, long) = functions[index].address;
  long result = function(word[0], word[1], word[2], word[3], word[4], word[5]);
  if ((void *)function != (void *)errno_location) last_errno = errno;
  switch (functions[index].result) {
    case INT: return JS_NewInt32(ctx, (int)result);
    case LONG: return JS_NewInt64(ctx, result);
    case POINTER: return result == 0 ? JS_NULL : JS_NewInt64(ctx, result);
    default: return JS_NewString(ctx, (const char *)result);
  }
}

JSValue libc_functions(JSContext *ctx) {
  JSValue all = JS_NewObject(ctx);
  for (int i = 0; functions[i].name != NULL; i++) {
    const char *name = functions[i].name;
    JS_SetPropertyStr(ctx, all, name, JS_NewCFunctionMagic(ctx, call, name, 0, JS_CFUNC_generic_magic, i));
  }
  return all;
}

// address(array): the address of its bytes
static JSValue address(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  size_t length;
  uint8_t *bytes = bytes_of(ctx, argv[0], &length);
  return bytes == NULL ? JS_EXCEPTION : JS_NewInt64(ctx, (long)bytes);
}

// int32At(address): the int at the address
static JSValue int32_at(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  int64_t at;
  return JS_ToInt64(ctx, &at, argv[0]) ? JS_EXCEPTION : JS_NewInt32(ctx, *(const int *)at);
}

static const JSCFunctionListEntry MEMORY[] = {
    JS_CFUNC_DEF("address", 1, address),
    JS_CFUNC_DEF("int32At", 1, int32_at),
};

void add_memory(JSContext *ctx, JSValueConst to) {
  JS_SetPropertyFunctionList(ctx, to, MEMORY, sizeof MEMORY / sizeof *MEMORY);
}
