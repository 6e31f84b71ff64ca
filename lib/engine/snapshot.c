// The snapshot: the engine's memory after it has loaded the modules that a hook for a guest needs. The build
// lets the program write it down and puts it into the program; a call continues there instead of reading
// bytecode.

#include "engine.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

// What the snapshot begins with; the allocator's state follows.
struct head {
  uint64_t state, size;
  struct program program;
};

enum { HEAD = 1024, PAGE = 4096, WORD = 8, WORDS = 64 };
// Since Linux 5.14; not in musl's headers.
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

// A large page of the kernel: one fault for all of it. Behind the snapshot there is room for a hook's own memory.
enum { LARGE_PAGE = 2 << 20, ROOM = 256 << 10, MOST = 8 << 20 };

// Whether a snapshot is made, modules are being loaded for it, and one of them has asked for the time.
static bool making, loading, asked_time;

static char *arena;

int snapshot_state(void) { return ((const struct head *)snapshot)->state; }

const char *why_not_now(void) {
  return loading ? "a module must not ask the system while it is loaded, since the answer would be in the snapshot"
                 : NULL;
}

int __real_gettimeofday(struct timeval *time, void *zone);

// The linker puts this in the place of gettimeofday(2): the engine asks for the time at its start, as a seed of
// random numbers that nobody uses, and later for Date.
int __wrap_gettimeofday(struct timeval *time, void *zone) {
  if (!making) return __real_gettimeofday(time, zone);
  if (loading) asked_time = true;
  *time = (struct timeval){.tv_sec = 1};
  return 0;
}

// Memory that begins where a large page does; NULL when there is none.
static char *large_pages(size_t size) {
  char *start = mmap(NULL, size + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return NULL;
  start += -(uintptr_t)start % LARGE_PAGE;
  madvise(start, size, MADV_HUGEPAGE);
  return start;
}

// An address in the snapshot is below its size, one in the program is not, since the snapshot lies there.
static void relocate(uint64_t *words) {
  for (size_t i = 0; i < snapshot_size / WORD / WORDS; i++, words += WORDS)
    for (uint64_t bits = snapshot_addresses[i]; bits != 0; bits &= bits - 1) {
      uint64_t *word = words + __builtin_ctzll(bits);
      *word += *word < snapshot_size ? (uintptr_t)arena : (uintptr_t)snapshot;
    }
}

// Where in the program's file an address of its data is.
static size_t place_in_file(const void *address) {
  const Elf64_Phdr *part = (const Elf64_Phdr *)getauxval(AT_PHDR);
  extern const char __ehdr_start[];
  const size_t offset = (const char *)address - __ehdr_start;
  for (size_t left = getauxval(AT_PHNUM); left > 0; left--, part++)
    if (part->p_type == PT_LOAD && offset >= part->p_vaddr && offset < part->p_vaddr + part->p_filesz)
      return offset - part->p_vaddr + part->p_offset;
  abort();
}

// The program's file is read, not its mapped pages: to map hundreds of them takes longer than to copy them. What was read
// is compared where no two builds are alike, since under an emulator this may be another program's file.
static bool read_own_file(void) {
  const int fd = open_file("/proc/self/exe", O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return false;
  const ssize_t got = pread(fd, arena, snapshot_size, place_in_file(snapshot));
  close(fd);
  return got == (ssize_t)snapshot_size && memcmp(arena, snapshot, PAGE) == 0;
}

bool resume_snapshot(struct program *program) {
  if (snapshot_state() != SNAPSHOT || ((const struct head *)snapshot)->size != snapshot_size) return false;
  const size_t size = (snapshot_size + ROOM + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
  arena = large_pages(size);
  if (arena == NULL) return false;
  // Where there are no large pages, each page would cost a fault of its own. An older kernel does not know this.
  madvise(arena, snapshot_size, MADV_POPULATE_WRITE);
  if (!read_own_file()) memcpy(arena, snapshot, snapshot_size);
  relocate((uint64_t *)arena);
  struct head *head = (struct head *)arena;
  resume_supply(head + 1, arena, arena + size);
  JS_SetAddressBase(arena);
  *program = head->program;
  JS_UpdateStackTop(program->runtime);
  return true;
}

void begin_snapshot(void) {
  arena = mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (arena == MAP_FAILED || sizeof(struct head) + save_supply(NULL) > HEAD) abort();
  making = true;
  begin_arena(arena + HEAD, arena + MOST);
  JS_SetAddressBase(arena);
}

void begin_loading(void) { loading = true; }

static void write_all(const char *bytes, size_t left) {
  while (left > 0) {
    const ssize_t written = write(1, bytes, left);
    if (written <= 0) exit(1);
    bytes += written;
    left -= written;
  }
}

void write_snapshot(struct program program) {
  if (asked_time) {
    dprintf(2, "xen-network: %s: the time\n", why_not_now());
    exit(1);
  }
  const size_t used = (end_of_arena() - arena + PAGE - 1) / PAGE * PAGE;
  struct head *head = (struct head *)arena;
  *head = (struct head){.state = SNAPSHOT, .size = used, .program = program};
  save_supply(head + 1);
  char line[256];
  const int length = snprintf(line, sizeof line, "%zu %zu %zu %lu %lu %lu\n", used, place_in_file(snapshot),
                              place_in_file(snapshot_addresses), (unsigned long)arena, (unsigned long)snapshot,
                              (unsigned long)__builtin_frame_address(0));
  write_all(line, length);
  write_all(arena, used);
}
