#include "hooks.h"

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
#define POLUS_HOOK(name, flags) {#name, (void *)polus_hook_##name, (void *)0, flags},
#include "hooks_list.h"
#undef POLUS_HOOK
    {"", (void *)0, (void *)0, 0},
};

void set_errno(int code) {
  *(int *)previous_of(HOOK___errno_location)(0, 0, 0, 0, 0, 0) = code;
}
