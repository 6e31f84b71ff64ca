// What _FORTIFY_SOURCE is to glibc, for musl, which has nothing of that kind: the compiler passes on how large the
// buffer is wherever it knows, and the program ends where something is written beyond it (fortify.c). Included before
// every file.

#ifndef FORTIFY_H
#define FORTIFY_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHECKED(type) extern __inline __attribute__((__always_inline__, __gnu_inline__, __artificial__)) type
#define ROOM(at) __builtin_object_size(at, 1)
#define WHOLE_ROOM(at) __builtin_object_size(at, 0)

CHECKED(void *) memcpy(void *restrict to, const void *restrict from, size_t size) {
  return __builtin___memcpy_chk(to, from, size, WHOLE_ROOM(to));
}

CHECKED(void *) memmove(void *to, const void *from, size_t size) {
  return __builtin___memmove_chk(to, from, size, WHOLE_ROOM(to));
}

CHECKED(void *) memset(void *to, int byte, size_t size) {
  return __builtin___memset_chk(to, byte, size, WHOLE_ROOM(to));
}

CHECKED(char *) strcpy(char *restrict to, const char *restrict from) {
  return __builtin___strcpy_chk(to, from, ROOM(to));
}

CHECKED(char *) strcat(char *restrict to, const char *restrict from) {
  return __builtin___strcat_chk(to, from, ROOM(to));
}

CHECKED(int) snprintf(char *restrict to, size_t size, const char *restrict format, ...) {
  return __builtin___snprintf_chk(to, size, 1, ROOM(to), format, __builtin_va_arg_pack());
}

CHECKED(int) vsnprintf(char *restrict to, size_t size, const char *restrict format, __builtin_va_list values) {
  return __builtin___vsnprintf_chk(to, size, 1, ROOM(to), format, values);
}

void check_room(size_t size, size_t room);
ssize_t plain_read(int fd, void *to, size_t size) __asm__("read");
ssize_t plain_readlink(const char *path, char *to, size_t size) __asm__("readlink");

CHECKED(ssize_t) read(int fd, void *to, size_t size) {
  check_room(size, WHOLE_ROOM(to));
  return plain_read(fd, to, size);
}

CHECKED(ssize_t) readlink(const char *restrict path, char *restrict to, size_t size) {
  check_room(size, ROOM(to));
  return plain_readlink(path, to, size);
}

#endif
