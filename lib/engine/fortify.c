// Ends the program by SIGABRT where it is about to write beyond a buffer, or has written beyond one on the stack. musl has
// none of the functions that fortify.h lets the compiler call, and ends a program otherwise.

#include <stdlib.h>

void __wrap___stack_chk_fail(void) { abort(); }

#ifdef FORTIFY_H

#include <stdarg.h>

void check_room(size_t size, size_t room) {
  if (size > room) abort();
}

void *__memcpy_chk(void *to, const void *from, size_t size, size_t room) {
  check_room(size, room);
  return __builtin_memcpy(to, from, size);
}

void *__memmove_chk(void *to, const void *from, size_t size, size_t room) {
  check_room(size, room);
  return __builtin_memmove(to, from, size);
}

void *__memset_chk(void *to, int byte, size_t size, size_t room) {
  check_room(size, room);
  return __builtin_memset(to, byte, size);
}

char *__strcpy_chk(char *to, const char *from, size_t room) {
  return __memcpy_chk(to, from, strlen(from) + 1, room);
}

char *__strcat_chk(char *to, const char *from, size_t room) {
  const size_t length = strlen(to);
  check_room(length, room);
  __strcpy_chk(to + length, from, room - length);
  return to;
}

int __vsnprintf_chk(char *to, size_t size, int flag, size_t room, const char *format, va_list values) {
  check_room(size, room);
  return __builtin_vsnprintf(to, size, format, values);
}

int __snprintf_chk(char *to, size_t size, int flag, size_t room, const char *format, ...) {
  va_list values;
  va_start(values, format);
  const int length = __vsnprintf_chk(to, size, flag, room, format, values);
  va_end(values);
  return length;
}

#endif
