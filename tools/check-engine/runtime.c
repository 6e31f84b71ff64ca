// Linked with QuickJS's own program, qjs, which runs its own tests: its engine has our allocator.

#include "engine.h"

#include <stdint.h>

// The linker puts this in the place of JS_NewRuntime.
JSRuntime *__wrap_JS_NewRuntime(void) {
  keep_reserve();
  return JS_NewRuntime2(&memory, NULL);
}

// No test asks for commands at a terminal.
const uint8_t qjsc_repl[1];
const uint32_t qjsc_repl_size = 0;
