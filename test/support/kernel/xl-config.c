// Whether xl's own reader takes texts: each on standard input as its length on a line, then its bytes; answers "1" or "0".
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (library == NULL) return 3;
  void *(*init)(FILE *, const char *) = (void *(*)(FILE *, const char *))dlsym(library, "xlu_cfg_init");
  int (*read_data)(void *, const char *, int) = (int (*)(void *, const char *, int))dlsym(library, "xlu_cfg_readdata");
  void (*destroy)(void *) = (void (*)(void *))dlsym(library, "xlu_cfg_destroy");
  FILE *said = fopen("/dev/null", "w");
  if (init == NULL || read_data == NULL || destroy == NULL || said == NULL) return 3;
  int length;
  while (scanf("%d%*c", &length) == 1) {
    char *text = malloc(length + 1);
    if (text == NULL || fread(text, 1, length, stdin) != (size_t)length) return 4;
    void *config = init(said, "text");
    putchar(read_data(config, text, length) == 0 ? '1' : '0');
    destroy(config);
    free(text);
  }
  return 0;
}
