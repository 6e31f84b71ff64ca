// Reports the end of the program to xenstore where the program itself no longer can: otherwise the guest
// would wait for an answer forever, and xl for 40 s. Nothing here allocates memory.

#include "engine.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { XS_WRITE = 11, MOST = 1024, PATIENCE_S = 5 };

// struct xsd_sockmsg of Xen's io/xs_wire.h.
struct head {
  uint32_t type, request, transaction, length;
};

static int connected(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= (int)sizeof address.sun_path) return -1;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const struct timeval patience = {.tv_sec = PATIENCE_S};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

static int xenstored(void) {
  const char *path = getenv("XENSTORED_PATH"), *folder = getenv("XENSTORED_RUNDIR");
  char socket[MOST];
  if (path != NULL && *path != 0) return connected(path);
  if (folder == NULL || *folder == 0) folder = "/run/xenstored";
  snprintf(socket, sizeof socket, "%s/socket", folder);
  return connected(socket);
}

static bool receive(int fd, void *to, size_t size) {
  for (size_t length = 0; length < size;) {
    const ssize_t more = read(fd, (char *)to + length, size - length);
    if (more == 0 || (more < 0 && errno != EINTR)) return false;
    if (more > 0) length += more;
  }
  return true;
}

// Waits for the whole answer, since bytes for a closed connection may be lost. xenstored sends it in pieces.
static void write_entry(int fd, const char *backend, const char *key, const char *value) {
  char frame[MOST];
  struct head head = {.type = XS_WRITE};
  const size_t most = sizeof frame - sizeof head;
  const int length = snprintf(frame + sizeof head, most, "%s/%s%c%s", backend, key, 0, value);
  head.length = length < (int)most ? length : (int)most - 1;
  memcpy(frame, &head, sizeof head);
  if (write(fd, frame, sizeof head + head.length) < 0 || !receive(fd, &head, sizeof head)) return;
  receive(fd, frame, head.length < sizeof frame ? head.length : sizeof frame);
}

static const char *variable(char **words, const char *name) {
  const size_t length = strlen(name);
  for (; *words != NULL; words++)
    if (strncmp(*words, name, length) == 0 && (*words)[length] == '=') return *words + length + 1;
  return getenv(name);
}

void last_words(char **argv, const char *error) {
  const char *slash = strrchr(argv[0], '/'), *hook = slash == NULL ? argv[0] : slash + 1;
  if (strncmp(hook, "vif-", 4) != 0 && argv[1] != NULL) hook = *++argv;
  const char *backend = variable(argv, "XENBUS_PATH"), *command = NULL;
  for (char **word = argv + 1; argv[0] != NULL && *word != NULL; word++) {
    if (**word == '-') return;
    if (strcmp(*word, "online") == 0 || strcmp(*word, "add") == 0) command = *word;
  }
  if (strncmp(hook, "vif-", 4) != 0 || backend == NULL || command == NULL) return;
  const int fd = xenstored();
  if (fd < 0) return;
  char sentence[MOST / 2];
  if (strstr(error, "out of memory") != NULL)
    snprintf(sentence, sizeof sentence, "%s %s: There is not enough memory for this program. %s", hook, command,
             "Raise its limit (ulimit -v), or free some.");
  else
    snprintf(sentence, sizeof sentence, "%s %s: The program ended before its work was done: %s.", hook, command, error);
  write_entry(fd, backend, "hotplug-error", sentence);
  write_entry(fd, backend, "hotplug-status", "error");
  close(fd);
}
