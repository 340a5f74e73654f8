/*
 * Hooks of the C library's functions: what its calls do to guarded memory, and to our handlers.
 *
 * A thread may be cancelled inside a hooked call, and the program's unwinder knows nothing of our frames: so
 * a hook that has nothing to do leads on by a jump, without a frame.
 */
#ifndef POLUS_HOOKS_H
#define POLUS_HOOKS_H

#include "polus_runtime.h"

/** Places in `polus_hooks`. Arguments beyond those that a function has are passed on as they come. */
enum hook_number {
#define POLUS_HOOK(name, flags) HOOK_##name,
#include "hooks_list.h"
#undef POLUS_HOOK
  HOOK_COUNT
};

typedef long hooked_call(long, long, long, long, long, long);

static inline hooked_call *previous_of(enum hook_number number) { return (hooked_call *)polus_hooks[number].previous; }

/** How many sets are being converted, or coherent. */
extern uint32_t polus_coexisting;

/** Whether objects that are created are guarded at once, or at any moment. */
static inline int versions_coexist(void) { return __atomic_load_n(&polus_coexisting, __ATOMIC_RELAXED) != 0; }

/** True while no store can fault on our account, nor may any moment: the usual case, told by two loads. */
static inline int nothing_is_guarded(void) {
  return __atomic_load_n(&polus_control.guarded_pages, __ATOMIC_RELAXED) == 0 && !versions_coexist();
}

/** To be called when what `nothing_is_guarded` looks at may have changed: opens or shuts the hooks' doors. */
void hooks_weigh(void);

/** The C library's `errno` of the calling thread. */
void set_errno(int code);

#endif
