/*
 * Objects that an `each` function has named and that are not known yet. Naming one costs next to nothing,
 * since the thread that runs the function waits meanwhile; making them known is done step by step.
 */
#ifndef POLUS_PENDING_H
#define POLUS_PENDING_H

#include <stddef.h>
#include <stdint.h>

struct pending {
  void *object;
  long item;
};

/** Called by one thread at a time, without the lock. -1 if there is no memory. */
int pending_add(long item, void *object);

/** The next one that was not freed meanwhile. 0 when there is none. Under the lock. */
int pending_take(struct pending *result);

int pending_any(void);

/** Nothing of this item is taken any more. Under the lock. */
void pending_drop(long item);

/** The program frees this object: if it is pending it is never taken. Under the lock. */
void pending_freed(const void *object);

/** An object at this address is known by now, whatever was freed there before. Under the lock. */
void pending_known(const void *object);

#endif
