/* What keeps two copies of an object in line. Under the lock only. */
#ifndef POLUS_COHERENCE_H
#define POLUS_COHERENCE_H

#include "map.h"

/** Room for drafts. 0, or a polus_fault. */
long coherence_start(void);

/**
 * Stores bytes as the program's instruction would, and carries over to the twins what it changes. -1 if
 * some of them lie in memory that is not guarded and cannot be written.
 */
int coherent_store(uint64_t at, const void *bytes, size_t size);

/** The same where all of the bytes lie on one page, which is guarded. */
int coherent_store_on(const struct page *page, uint64_t at, const void *bytes, size_t size);

/** Makes the other copy of an object from the one of side `from`, whatever it holds. Pages are guarded. */
void coherent_convert(struct object *object, unsigned from);

/** Fills a copy with zeros, on whatever kind of page it is. */
void coherent_clear(uint64_t at, size_t size);

#endif
