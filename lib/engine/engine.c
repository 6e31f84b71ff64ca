// The program's engine: QuickJS with this program's compiled modules, and the few calls of the C library that
// they make. JavaScript sees it as the object "engine", described in engine.ts.

#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

// Reference counts free nearly all at once; cycles are looked for only once a run has grown far beyond a hook's.
static const size_t GC_THRESHOLD = 64 << 20;
static const size_t STACK_SIZE = 1 << 20;
// What the engine's own functions take beyond, between two looks at it.
static const size_t STACK_MARGIN = 1 << 18;
static uintptr_t stack_start;

static volatile sig_atomic_t pending_signals[65];
static volatile sig_atomic_t any_signal;

static const int faults[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
// The command line of this call, for its last words.
static char **words;

static _Noreturn void die_of(JSContext *ctx, JSValueConst error) {
  const char *text = JS_ToCString(ctx, error);
  JSValue trace = JS_GetPropertyStr(ctx, error, "stack");
  const char *stack = JS_IsUndefined(trace) ? NULL : JS_ToCString(ctx, trace);
  // The engine throws null where it has no memory even for an Error.
  if (text == NULL || strcmp(text, "null") == 0) text = "out of memory";
  dprintf(2, "xen-network: %s\n%s", text, stack ? stack : "");
  last_words(words, text);
  _exit(1);
}

// A fault of the engine itself, for example when there is no memory at its start.
static void on_fault(int number, siginfo_t *info, void *context) {
  (void)context;
  const uintptr_t at = (uintptr_t)info->si_addr;
  // The engine keeps the stack smaller than that: the kernel had no memory to let it grow.
  if (number == SIGSEGV && at < stack_start && at >= stack_start - STACK_SIZE - STACK_MARGIN) {
    dprintf(2, "xen-network: out of memory\n");
    last_words(words, "out of memory");
    _exit(1);
  }
  last_words(words, "it met a fault of its own");
  signal(number, SIG_DFL);
  raise(number);
}

// On a stack of its own: the other one may be what has no room.
static void catch_faults(void) {
  static char stack[1 << 16];
  const stack_t spare = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&spare, NULL);
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigaction(faults[i], &action, NULL);
}

static _Noreturn void die(JSContext *ctx) { die_of(ctx, JS_GetException(ctx)); }

static void on_signal(int number) {
  pending_signals[number] = 1;
  any_signal = 1;
}

// catchSignal(number)
static JSValue catch_signal(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  int number;
  if (JS_ToInt32(ctx, &number, argv[0])) return JS_EXCEPTION;
  if (number < 1 || number > 64) return JS_ThrowRangeError(ctx, "%d is no signal", number);
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(number, &action, NULL);
  return JS_UNDEFINED;
}

// takeSignals(): the numbers of the signals since the last call
static JSValue take_signals(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  JSValue list = JS_NewArray(ctx);
  uint32_t length = 0;
  if (!any_signal) return list;
  any_signal = 0;
  for (int number = 1; number < 65; number++) {
    if (!pending_signals[number]) continue;
    pending_signals[number] = 0;
    JS_SetPropertyUint32(ctx, list, length++, JS_NewInt32(ctx, number));
  }
  return list;
}

// now(): milliseconds since some moment in the past
static JSValue now(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  if (why_not_now() != NULL) return JS_ThrowInternalError(ctx, "now: %s", why_not_now());
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return JS_NewFloat64(ctx, time.tv_sec * 1e3 + time.tv_nsec / 1e6);
}

// wait(ms): sleeps for that time, or until a signal comes
static JSValue wait_for(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  int ms;
  if (JS_ToInt32(ctx, &ms, argv[0])) return JS_EXCEPTION;
  if (!any_signal) poll(NULL, 0, ms);
  return JS_UNDEFINED;
}

// random(): a number from 0 to less than 1
static JSValue random_number(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  uint64_t bits = 0;
  if (why_not_now() != NULL) return JS_ThrowInternalError(ctx, "random: %s", why_not_now());
  while (getrandom(&bits, sizeof bits, 0) < 0 && errno == EINTR) continue;
  return JS_NewFloat64(ctx, (bits >> 11) * 0x1p-53);
}

// path(): the path of this program's file
static JSValue own_path(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  if (why_not_now() != NULL) return JS_ThrowInternalError(ctx, "path: %s", why_not_now());
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  return JS_NewStringLen(ctx, path, length < 0 ? 0 : length);
}

// exit(status)
static JSValue leave(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  int status = 1;
  JS_ToInt32(ctx, &status, argv[0]);
  _exit(status);
}

// encode(text): its UTF-8 in an ArrayBuffer; half a surrogate pair becomes U+FFFD
static JSValue encode(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  size_t length;
  const char *text = JS_ToCStringLen(ctx, &length, argv[0]);
  if (text == NULL) return JS_EXCEPTION;
  JSValue buffer = JS_NewArrayBufferCopy(ctx, (const uint8_t *)text, length);
  JS_FreeCString(ctx, text);
  uint8_t *bytes = JS_GetArrayBuffer(ctx, &length, buffer);
  for (size_t i = 0; bytes != NULL && i + 2 < length; i++)
    if (bytes[i] == 0xed && bytes[i + 1] >= 0xa0) memcpy(bytes + i, "\xef\xbf\xbd", 3);
  return buffer;
}

// decode(bytes): the text of a Uint8Array
static JSValue decode(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  size_t length;
  uint8_t *bytes = bytes_of(ctx, argv[0], &length);
  if (bytes == NULL) return JS_EXCEPTION;
  return JS_NewStringLen(ctx, (const char *)bytes, length);
}

static JSValue environment(JSContext *ctx) {
  JSValue all = JS_NewObject(ctx);
  for (char **entry = environ; *entry != NULL; entry++) {
    const char *equals = strchr(*entry, '=');
    if (equals == NULL) continue;
    JSAtom name = JS_NewAtomLen(ctx, *entry, equals - *entry);
    // Not JS_SetProperty: a variable may be called __proto__.
    JS_DefinePropertyValue(ctx, all, name, JS_NewString(ctx, equals + 1), JS_PROP_C_W_E);
    JS_FreeAtom(ctx, name);
  }
  return all;
}

static JSValue arguments(JSContext *ctx, int argc, char **argv) {
  JSValue list = JS_NewArray(ctx);
  for (int i = 0; i < argc; i++) JS_SetPropertyUint32(ctx, list, i, JS_NewString(ctx, argv[i]));
  return list;
}

static const JSCFunctionListEntry ENGINE[] = {
    JS_CFUNC_DEF("catchSignal", 1, catch_signal), JS_CFUNC_DEF("takeSignals", 0, take_signals),
    JS_CFUNC_DEF("now", 0, now),                  JS_CFUNC_DEF("exit", 1, leave),
    JS_CFUNC_DEF("encode", 1, encode),            JS_CFUNC_DEF("decode", 1, decode),
    JS_CFUNC_DEF("wait", 1, wait_for),            JS_CFUNC_DEF("path", 0, own_path),
    JS_CFUNC_DEF("random", 0, random_number),
};

static void add_engine(JSContext *ctx) {
  JSValue engine = JS_NewObject(ctx), global = JS_GetGlobalObject(ctx);
  JS_SetPropertyFunctionList(ctx, engine, ENGINE, sizeof ENGINE / sizeof *ENGINE);
  JS_SetPropertyStr(ctx, engine, "libc", libc_functions(ctx));
  add_memory(ctx, engine);
  JS_SetPropertyStr(ctx, global, "engine", engine);
  JS_FreeValue(ctx, global);
}

static JSValue engine_of(JSContext *ctx) {
  JSValue global = JS_GetGlobalObject(ctx);
  JSValue engine = JS_GetPropertyStr(ctx, global, "engine");
  JS_FreeValue(ctx, global);
  return engine;
}

// What only this call of the program knows.
static void add_call(JSContext *ctx, int argc, char **argv) {
  JSValue engine = engine_of(ctx);
  JS_SetPropertyStr(ctx, engine, "pid", JS_NewInt32(ctx, getpid()));
  JS_SetPropertyStr(ctx, engine, "argv", arguments(ctx, argc, argv));
  JS_SetPropertyStr(ctx, engine, "env", environment(ctx));
  JS_FreeValue(ctx, engine);
}

// Calls a function of the object "engine", if there is one of that name.
static JSValue call_engine(JSContext *ctx, const char *name) {
  JSValue engine = engine_of(ctx), result = JS_UNDEFINED;
  JSValue function = JS_GetPropertyStr(ctx, engine, name);
  if (JS_IsFunction(ctx, function)) result = JS_Call(ctx, function, engine, 0, NULL);
  if (JS_IsException(result)) die(ctx);
  JS_FreeValue(ctx, function);
  JS_FreeValue(ctx, engine);
  return result;
}

static JSModuleDef *load_module(JSContext *ctx, const char *name, void *unused) {
  const struct module *module = modules;
  while (module->name != NULL && strcmp(module->name, name) != 0) module++;
  if (module->name == NULL) {
    JS_ThrowReferenceError(ctx, "this program has no module %s", name);
    return NULL;
  }
  JSValue read = JS_ReadObject(ctx, module->bytes, module->size, JS_READ_OBJ_BYTECODE);
  if (JS_IsException(read)) return NULL;
  JSModuleDef *definition = JS_VALUE_GET_PTR(read);
  JS_FreeValue(ctx, read);
  return definition;
}

// A rejection that is still unhandled when all jobs are done is a fault of the program and ends it.
static JSValue rejected;

static void on_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason, JS_BOOL handled, void *unused) {
  JS_FreeValue(ctx, rejected);
  rejected = handled ? JS_UNDEFINED : JS_DupValue(ctx, reason);
}

static void run_jobs(JSRuntime *runtime, JSContext *ctx) {
  JSContext *failed;
  int result;
  while ((result = JS_ExecutePendingJob(runtime, &failed)) != 0)
    if (result < 0) die(failed);
  if (!JS_IsUndefined(rejected)) die_of(ctx, rejected);
}

// Not JS_NewContext: without eval, Proxy, WeakRef and the normal forms of Unicode, which the program does not use.
static JSContext *make_context(JSRuntime *runtime) {
  JSContext *ctx = JS_NewContextRaw(runtime);
  JS_AddIntrinsicBaseObjects(ctx);
  JS_AddIntrinsicDate(ctx);
  JS_AddIntrinsicRegExpCompiler(ctx);
  JS_AddIntrinsicRegExp(ctx);
  JS_AddIntrinsicJSON(ctx);
  JS_AddIntrinsicMapSet(ctx);
  JS_AddIntrinsicTypedArrays(ctx);
  JS_AddIntrinsicPromise(ctx);
  return ctx;
}

// Otherwise the first file that the program opens would become standard output or error, and get its
// messages.
static void fill_standard_files(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDWR) != fd) _exit(1);
}

// Otherwise a server or timer that is started here would keep the caller's files open, a lock for instance.
static void close_others(void) {
  if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0) return;
  for (int fd = 3; fd < 1024; fd++) close(fd);
}

static struct program new_program(void) {
  struct program program = {.runtime = JS_NewRuntime2(&memory, NULL)};
  JS_SetGCThreshold(program.runtime, GC_THRESHOLD);
  JS_SetMaxStackSize(program.runtime, STACK_SIZE);
  JS_SetModuleLoaderFunc(program.runtime, NULL, load_module, NULL);
  JS_SetHostPromiseRejectionTracker(program.runtime, on_rejection, NULL);
  program.context = make_context(program.runtime);
  add_engine(program.context);
  return program;
}

static void load_program(JSContext *ctx) {
  JSModuleDef *entry = load_module(ctx, modules[0].name, NULL);
  if (entry == NULL) die(ctx);
  JSValue module = JS_DupValue(ctx, JS_MKPTR(JS_TAG_MODULE, entry));
  if (JS_ResolveModule(ctx, module) < 0 || JS_IsException(JS_EvalFunction(ctx, module))) die(ctx);
}

static void run_program(struct program program) {
  JSContext *ctx = program.context;
  JS_FreeValue(ctx, call_engine(ctx, "main"));
  // The prelude sets engine.turn: it waits for the next timer or signal, and tells whether there may be more.
  do run_jobs(program.runtime, ctx);
  while (JS_ToBool(ctx, call_engine(ctx, "turn")));
}

static int make_snapshot(void) {
  begin_snapshot();
  struct program program = new_program();
  begin_loading();
  load_program(program.context);
  JS_FreeValue(program.context, call_engine(program.context, "preload"));
  run_jobs(program.runtime, program.context);
  write_snapshot(program);
  return 0;
}

int main(int argc, char **argv) {
  words = argv;
  close_others();
  fill_standard_files();
  // A write to a closed pipe shall return an error.
  signal(SIGPIPE, SIG_IGN);
  // The same for a write beyond the limit of file sizes.
  signal(SIGXFSZ, SIG_IGN);
  // Unblocks what the caller has blocked: a timer's signal ends a wait for a lock, and SIGTERM ends the
  // program.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  stack_start = (uintptr_t)__builtin_frame_address(0);
  catch_faults();
  keep_reserve();
  rejected = JS_UNDEFINED;
  if (snapshot_state() == MAKE_SNAPSHOT) return make_snapshot();
  struct program program;
  if (resume_snapshot(&program)) {
    add_call(program.context, argc, argv);
  } else {
    program = new_program();
    add_call(program.context, argc, argv);
    load_program(program.context);
  }
  run_program(program);
  dprintf(2, "xen-network: the program came to its end without a result\n");
  last_words(words, "it came to its end without a result");
  return 1;
}
