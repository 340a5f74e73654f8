/* Calls that get other memory in the place of guarded one; what they have written is stored as a caught store would be. */
#ifndef POLUS_BOUNCE_H
#define POLUS_BOUNCE_H

#include "hooks.h"

/** How a call is made: by a function of the C library, or where `number` is not -1 by that system call, alike in its arguments. */
struct way {
  enum hook_number hook;
  long number;
};

/** Returns what the function, or the system call, does. */
long bounce(struct way way, long a, long b, long c, long d, long e, long f);

#endif
