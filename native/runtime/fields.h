/* Stores to fields that both transfer functions merely copy: no transfer needs to run for them. Under the lock only. */
#ifndef POLUS_FIELDS_H
#define POLUS_FIELDS_H

#include "map.h"

/**
 * Does what `coherent_store` would do, if the store is to one field of one object, of which the item says that its
 * transfer functions merely copy it, and if both copies agree about what it holds now. `page` is guarded, and holds
 * all of the store. Returns whether it was done; if not, nothing was.
 */
int field_store(const struct page *page, uint64_t at, const uint8_t *bytes, size_t size);

/** Room for so many fields by side, empty ones; the engine fills it. Its address, or a polus_fault. */
long fields_make(struct item *item, const size_t count[2]);

/** Forgets what was said of the item's fields. */
void fields_drop(struct item *item);

#endif
