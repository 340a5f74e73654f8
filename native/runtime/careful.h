/* Touching the program's memory where it may not be there. */
#ifndef POLUS_CAREFUL_H
#define POLUS_CAREFUL_H

#include <stddef.h>

#include "context.h"

/** Copies; -1 if some of it could not be read or written (then some may have been copied). */
int careful_copy(void *to, const void *from, size_t size);

/** In the handler: whether the fault is one of `careful_copy`; then the context goes on where it fails. */
int careful_fault(struct context *context);

#endif
