// Compiles JavaScript modules to QuickJS's bytecode: a C file with one array for each module and the table that engine.h
// declares. Run by build.ts, in the modules' folder.
// Usage: compile-modules ENTRY [MODULE...] >FILE.c

#include "quickjs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_MODULES = 256 };

static const char *names[MOST_MODULES];
static int count;

static void fail(JSContext *ctx, const char *name) {
  JSValue error = JS_GetException(ctx);
  fprintf(stderr, "compile-modules: %s: %s\n%s", name, JS_ToCString(ctx, error),
          JS_ToCString(ctx, JS_GetPropertyStr(ctx, error, "stack")));
  exit(1);
}

static char *text_of(const char *name, size_t *length) {
  FILE *file = fopen(name, "r");
  if (file == NULL) {
    perror(name);
    exit(1);
  }
  fseek(file, 0, SEEK_END);
  *length = ftell(file);
  rewind(file);
  char *text = calloc(*length + 1, 1);
  if (fread(text, 1, *length, file) != *length) exit(1);
  fclose(file);
  return text;
}

// Compiles a module when it is first imported: an engine that compiles a module loads all modules that it imports.
static JSModuleDef *compile(JSContext *ctx, const char *name, void *unused) {
  size_t length, size;
  char *text = text_of(name, &length);
  const int number = count++;
  if (number >= MOST_MODULES) exit(1);
  names[number] = strdup(name);
  JSValue module = JS_Eval(ctx, text, length, name, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
  if (JS_IsException(module)) fail(ctx, name);
  uint8_t *bytes = JS_WriteObject(ctx, &size, module, JS_WRITE_OBJ_BYTECODE);
  if (bytes == NULL) fail(ctx, name);
  printf("static const unsigned char module_%d[] = {", number);
  for (size_t i = 0; i < size; i++) printf("%d,", bytes[i]);
  puts("};");
  return JS_VALUE_GET_PTR(module);
}

static int is_compiled(const char *name) {
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return 1;
  return 0;
}

int main(int argc, char **argv) {
  JSRuntime *runtime = JS_NewRuntime();
  // Lines and columns stay, for the trace of an error.
  JS_SetStripInfo(runtime, JS_STRIP_SOURCE);
  JSContext *ctx = JS_NewContext(runtime);
  JS_SetModuleLoaderFunc(runtime, NULL, compile, NULL);
  puts("#include \"engine.h\"");
  for (int i = 1; i < argc; i++)
    if (!is_compiled(argv[i])) compile(ctx, argv[i], NULL);
  puts("const struct module modules[] = {");
  // The entry was begun first, even if others were finished before it.
  for (int i = 0; i < count; i++) printf("{\"%s\", module_%d, sizeof module_%d},\n", names[i], i, i);
  puts("{0}};");
  return 0;
}
