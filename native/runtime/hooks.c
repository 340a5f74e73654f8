#include "hooks.h"

#include "actions.h"

/* Of a function that is only called there is no hook. */
#define polus_hook___errno_location polus_hook_none

#define POLUS_HOOK(name, flags) hooked_call polus_hook_##name;
#include "hooks_list.h"
#undef POLUS_HOOK

long polus_hook_none(long a, long b, long c, long d, long e, long f) {
  (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
  return 0;
}

struct polus_hook polus_hooks[] = {
#define POLUS_HOOK(name, flags) {#name, (void *)polus_hook_##name, (void *)0, flags, (uint8_t *)0},
#include "hooks_list.h"
#undef POLUS_HOOK
    {"", (void *)0, (void *)0, 0, (uint8_t *)0},
};

void hooks_weigh(void) {
  static uint8_t are_shut;
  uint8_t shut = !nothing_is_guarded();
  if (shut == are_shut) return;
  are_shut = shut;
  for (struct polus_hook *hook = polus_hooks; hook < polus_hooks + HOOK_COUNT; hook++) {
    if (hook->door != (uint8_t *)0) __atomic_store_n(hook->door, shut, __ATOMIC_RELAXED);
  }
}

void set_errno(int code) {
  *(int *)previous_of(HOOK___errno_location)(0, 0, 0, 0, 0, 0) = code;
}
