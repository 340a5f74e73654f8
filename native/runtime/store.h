/* Performs the instruction that was caught. Under the lock only. */
#ifndef POLUS_STORE_H
#define POLUS_STORE_H

#include "context.h"

enum store_outcome {
  STORE_DONE,  /* performed, in part at least; the context says where the thread goes on */
  STORE_SLOW,  /* not one that can be performed aside: open its page and single-step it */
  STORE_FAULT, /* it touches memory that is not there: the program's own fault */
};

enum store_outcome store_perform(struct context *context);

struct prepared;

/** The same for an instruction that is known, on a thread in a stub. STORE_SLOW also where nothing is guarded. */
enum store_outcome store_in_stub(const struct prepared *prepared, struct context *context);

#endif
