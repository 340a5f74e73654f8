/*
 * Hooks that keep SIGSEGV and SIGTRAP ours: a program that sets or asks for its own action deals with the one
 * that stands behind ours, and blocks neither (signal(7): a blocked signal that the processor raises kills).
 */
#include "actions.h"
#include "gates.h"
#include "hooks.h"
#include "lock.h"

enum { HOW_UNBLOCK = 1 };

/** The C library's sigset_t and struct sigaction (glibc, bits/sigaction.h; musl's are alike). */
struct library_set {
  uint64_t words[16];
};
struct library_action {
  uint64_t handler;
  struct library_set mask;
  int flags;
  void (*restorer)(void);
};

static long action_behind_ours(long number, const struct library_action *to, struct library_action *before) {
  struct action wanted = {0}, old = {0};
  if (to != NULL) {
    wanted = (struct action){to->handler, (uint32_t)to->flags, to->restorer, to->mask.words[0]};
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
    wanted.mask.words[0] &= ~SIGNALS_OF_OURS;
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
  int blocks = wanted != NULL && (wanted->mask.words[0] & SIGNALS_OF_OURS) != 0;
  if (!guarded && !blocks) return previous_of(HOOK_sigaction)(number, to, before, d, e, f);
  struct library_action changed, found;
  if (wanted != NULL) {
    changed = *wanted;
    changed.mask.words[0] &= ~SIGNALS_OF_OURS;
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
  int blocks = wanted != NULL && how != HOW_UNBLOCK && (wanted->words[0] & SIGNALS_OF_OURS) != 0;
  if (!guarded && !blocks) return previous_of(number)(how, set, before, 0, 0, 0);
  struct library_set changed, found;
  /* One word is all that the kernel looks at and the C library is sure to have (musl's set has no more). */
  if (wanted != NULL) changed.words[0] = wanted->words[0] & (blocks ? ~SIGNALS_OF_OURS : ~UINT64_C(0));
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
    struct action action;
    if (number == SIGNAL_SEGMENT || number == SIGNAL_TRAP) continue;
    if (polus_failed(set_action(number, NULL, &action))) continue;
    if (action.handler <= 1 || (action.mask & SIGNALS_OF_OURS) == 0) continue;
    action.mask &= ~SIGNALS_OF_OURS;
    (void)set_action(number, &action, NULL);
  }
  return 0;
}
