/*
 * Ways to be blocked in the kernel. Every kind has a thread of its own that
 * waits again and again; a wait must end as documented, and never with EINTR
 * unless a handler of the program ran.
 */
#ifndef BLOCKED_H
#define BLOCKED_H

#include "target.h"

struct wait_kind {
  const char *name;
  /* Before any thread starts; NULL if there is nothing to prepare. */
  void (*set_up)(void);
  /* One wait. */
  void (*wait)(void);
  /* Ends the current wait, or the next one; NULL for waits that end by themselves. */
  void (*wake)(void);
  struct target_counter waits;
};

/* Terminated by a kind without a name. */
extern struct wait_kind descriptor_kinds[];
extern struct wait_kind clock_kinds[];
extern struct wait_kind lock_kinds[];
extern struct wait_kind signal_kinds[];

/* Reports a failed wait; returns whether it succeeded. */
bool wait_succeeded(long result, const char *call);

/* Reports a wait that must have lasted `milliseconds` and ended early. */
void wait_lasted(long begin_ns, long milliseconds, const char *call);

/* A failed preparation ends the program. */
void wait_require(bool holds, const char *what);

#endif
