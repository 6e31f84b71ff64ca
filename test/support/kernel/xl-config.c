// What xl's own reader makes of texts: each on standard input as its length on a line, then its bytes; answers a line,
// "no", or "yes" and the values of the settings a, x and y in hexadecimal, "-" for none.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static int (*get_string)(const void *, const char *, const char **, int);

static void tell(void *config, const char *name) {
  const char *value;
  putchar(' ');
  if (get_string(config, name, &value, 1) != 0) {
    putchar('-');
    return;
  }
  putchar('=');
  for (; *value != 0; value++) printf("%02x", (unsigned char)*value);
}

int main(int argc, char **argv) {
  void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (library == NULL) return 3;
  void *(*init)(FILE *, const char *) = (void *(*)(FILE *, const char *))dlsym(library, "xlu_cfg_init");
  int (*read_data)(void *, const char *, int) = (int (*)(void *, const char *, int))dlsym(library, "xlu_cfg_readdata");
  void (*destroy)(void *) = (void (*)(void *))dlsym(library, "xlu_cfg_destroy");
  get_string = (int (*)(const void *, const char *, const char **, int))dlsym(library, "xlu_cfg_get_string");
  FILE *said = fopen("/dev/null", "w");
  if (init == NULL || read_data == NULL || destroy == NULL || get_string == NULL || said == NULL) return 3;
  int length;
  while (scanf("%d%*c", &length) == 1) {
    char *text = malloc(length + 1);
    if (text == NULL || fread(text, 1, length, stdin) != (size_t)length) return 4;
    void *config = init(said, "text");
    if (read_data(config, text, length) == 0) {
      fputs("yes", stdout);
      for (const char *name = "axy"; *name != 0; name++) tell(config, (char[]){*name, 0});
      putchar('\n');
    } else {
      puts("no");
    }
    destroy(config);
    free(text);
  }
  return 0;
}
