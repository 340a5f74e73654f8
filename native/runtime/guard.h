/* Guards and opens the pages of objects. Under the lock only. Results: 0, or a polus_fault. */
#ifndef POLUS_GUARD_H
#define POLUS_GUARD_H

#include "map.h"

/** Whether a page of a copy is not guarded yet. */
int guard_lacks(struct object *object);

/** Guards the pages of both copies, and as many around them as go along. */
long guard_pages(struct object *object);

/** Makes an object coherent: guards its pages, and makes the other copy from the one of side `from`. */
long guard_object(struct object *object, unsigned from);

/** Stores to the object are no longer carried over; its pages stay as they are. */
void unguard_object(struct object *object);

/** Opens those pages of a copy that no coherent object needs; what only holds stale twins is retired. */
long open_copy(struct object *object, unsigned side, int stale);

/** Makes retired pages of a copy plain. */
long revive_copy(struct object *object, unsigned side);

#endif
