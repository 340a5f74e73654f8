/*
 * Hooks that keep SIGSEGV and SIGTRAP ours: a program that sets or asks for its own action deals with the one
 * that stands behind ours, and blocks neither (signal(7): a blocked signal that the processor raises kills).
 */
#include "gates.h"
#include "hooks.h"
#include "lock.h"
#include "syscalls.h"

enum { SIGNAL_TRAP = 5, SIGNAL_SEGMENT = 11, LAST_SIGNAL = 64, HOW_UNBLOCK = 1 };

/** What must never be blocked. */
static const uint64_t ours = UINT64_C(1) << (SIGNAL_SEGMENT - 1) | UINT64_C(1) << (SIGNAL_TRAP - 1);

/** The C library's sigset_t and struct sigaction (glibc, bits/sigaction.h; musl's are alike). */
struct library_set {
  uint64_t words[16];
};
struct library_action {
  uint64_t handler;
  struct library_set mask;
  int flags;
  uint64_t restorer;
};

/** The kernel's (rt_sigaction(2)). */
struct kernel_action {
  uint64_t handler, flags, restorer, mask;
};

static long action_behind_ours(long number, const struct library_action *to, struct library_action *before) {
  struct kernel_action wanted = {0}, old = {0};
  if (to != NULL) {
    wanted = (struct kernel_action){to->handler, (uint32_t)to->flags, to->restorer, to->mask.words[0]};
  }
  (void)polus_runtime_action(number, to == NULL ? NULL : &wanted, &old);
  if (before != NULL) {
    struct library_action found = {old.handler, {{old.mask}}, (int)old.flags, old.restorer};
    polus_runtime_store(before, &found, sizeof found);
  }
  return 0;
}

static long action_behind_gate(long number, const struct library_action *to, struct library_action *before) {
  struct library_action wanted, found;
  uint64_t mask = lock_enter(), was = gates_handler(number);
  uint32_t flags = 0;
  if (to != NULL) {
    wanted = *to;
    wanted.mask.words[0] &= ~ours;
    flags = (uint32_t)wanted.flags;
    gates_hide(number, &wanted.handler, &flags);
    wanted.flags = (int)flags;
  }
  long result = previous_of(HOOK_sigaction)(number, to == NULL ? 0 : (long)&wanted, (long)&found, 0, 0, 0);
  if (result != 0) {
    gates_remember(number, was);
  } else {
    if (to != NULL) gates_installed(number);
    flags = (uint32_t)found.flags;
    gates_show(was, &found.handler, &flags);
    found.flags = (int)flags;
  }
  lock_leave(mask);
  if (result == 0 && before != NULL) polus_runtime_store(before, &found, sizeof found);
  return result;
}

long polus_hook_sigaction(long number, long to, long before, long d, long e, long f) {
  const struct library_action *wanted = (const struct library_action *)to;
  if (!polus_control.started) return previous_of(HOOK_sigaction)(number, to, before, d, e, f);
  if (number == SIGNAL_SEGMENT || number == SIGNAL_TRAP) {
    return action_behind_ours(number, wanted, (struct library_action *)before);
  }
  if (gates_cover(number)) return action_behind_gate(number, wanted, (struct library_action *)before);
  int guarded = before != 0 && polus_runtime_guards((void *)before, sizeof(struct library_action));
  int blocks = wanted != NULL && (wanted->mask.words[0] & ours) != 0;
  if (!guarded && !blocks) return previous_of(HOOK_sigaction)(number, to, before, d, e, f);
  struct library_action changed, found;
  if (wanted != NULL) {
    changed = *wanted;
    changed.mask.words[0] &= ~ours;
  }
  long result = previous_of(HOOK_sigaction)(number, wanted == NULL ? 0 : (long)&changed, guarded ? (long)&found : before,
                                            d, e, f);
  if (guarded && result == 0) polus_runtime_store((void *)before, &found, sizeof found);
  return result;
}

/** Of pthread_sigmask and sigprocmask. */
static long without_ours(enum hook_number number, long how, long set, long before) {
  const struct library_set *wanted = (const struct library_set *)set;
  int guarded = before != 0 && polus_runtime_guards((void *)before, sizeof(struct library_set));
  int blocks = wanted != NULL && how != HOW_UNBLOCK && (wanted->words[0] & ours) != 0;
  if (!guarded && !blocks) return previous_of(number)(how, set, before, 0, 0, 0);
  struct library_set changed, found;
  /* One word is all that the kernel looks at and the C library is sure to have (musl's set has no more). */
  if (wanted != NULL) changed.words[0] = wanted->words[0] & (blocks ? ~ours : ~UINT64_C(0));
  long result = previous_of(number)(how, wanted == NULL ? 0 : (long)&changed, guarded ? (long)&found : before, 0, 0, 0);
  if (guarded && result == 0) polus_runtime_store((void *)before, &found, sizeof(uint64_t));
  return result;
}

long polus_hook_pthread_sigmask(long how, long set, long before, long d, long e, long f) {
  if (!polus_control.started) return previous_of(HOOK_pthread_sigmask)(how, set, before, d, e, f);
  return without_ours(HOOK_pthread_sigmask, how, set, before);
}

long polus_hook_sigprocmask(long how, long set, long before, long d, long e, long f) {
  if (!polus_control.started) return previous_of(HOOK_sigprocmask)(how, set, before, d, e, f);
  return without_ours(HOOK_sigprocmask, how, set, before);
}

long polus_runtime_unblock(void) {
  for (long number = 1; number <= LAST_SIGNAL; number++) {
    struct kernel_action action;
    if (number == SIGNAL_SEGMENT || number == SIGNAL_TRAP) continue;
    if (polus_failed(POLUS_CALL(SYS_rt_sigaction, number, NULL, &action, 8, 0, 0))) continue;
    if (action.handler <= 1 || (action.mask & ours) == 0) continue;
    action.mask &= ~ours;
    (void)POLUS_CALL(SYS_rt_sigaction, number, &action, NULL, 8, 0, 0);
  }
  return 0;
}
