/* Signals and their actions as the kernel has them (rt_sigaction(2)). */
#ifndef POLUS_ACTIONS_H
#define POLUS_ACTIONS_H

#include "syscalls.h"

enum { SIGNAL_TRAP = 5, SIGNAL_KILL = 9, SIGNAL_SEGMENT = 11, SIGNAL_STOP = 19, LAST_SIGNAL = 64 };

#define SIGNAL_BIT(number) (UINT64_C(1) << ((number) - 1))
/** Those that our own stores and steps may raise: the kernel kills whoever blocks one of them meanwhile. */
#define SIGNALS_OF_OURS (SIGNAL_BIT(SIGNAL_SEGMENT) | SIGNAL_BIT(SIGNAL_TRAP))

/** What rt_sigaction(2) of x86-64 takes. */
struct action {
  uint64_t handler; /* 0: default, 1: ignored */
  uint64_t flags;
  void (*restorer)(void);
  uint64_t mask;
};

static inline long set_action(long number, const struct action *to, struct action *before) {
  return POLUS_CALL(SYS_rt_sigaction, number, to, before, 8, 0, 0);
}

#endif
