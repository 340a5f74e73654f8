/* Shadow fields: memory of an update's own beside an object whose layout stays as it is. */
#ifndef POLUS_SHADOW_H
#define POLUS_SHADOW_H

#include <stddef.h>

#include "polus_runtime.h"

/** The field `key` of the object, or NULL. Takes no lock: it may be called in signal handlers. */
POLUS_EXPORT void *polus_shadow(const void *object, unsigned long key);

/**
 * The same, made if it is not there: `size` zeroed bytes, aligned to 16, which `initialise` (if not NULL)
 * fills before anybody else can see them. NULL if there is no memory.
 */
POLUS_EXPORT void *polus_shadow_get(const void *object, unsigned long key, size_t size,
                                    void (*initialise)(void *field, const void *object, void *context), void *context);

/** Ends the field's life; nobody may use it any more. Returns 1 if it was there, else 0. */
POLUS_EXPORT long polus_shadow_free(const void *object, unsigned long key);

/** The same for the fields of this key of all objects; `each` (if not NULL) sees each before. Returns how many. */
POLUS_EXPORT long polus_shadow_free_all(unsigned long key, void (*each)(void *field, const void *object));

#endif
