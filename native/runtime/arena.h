/* Where twins live: pages in which nothing else lies, so that guarding them hinders nobody. */
#ifndef POLUS_ARENA_H
#define POLUS_ARENA_H

#include "memory.h"

/** Room for an object of `size` bytes, aligned to 16; what it holds is not told. 0 if there is no memory. */
uint64_t arena_allocate(size_t size);

/** Gives it back; nothing is written to it, since its page may be guarded. */
void arena_release(uint64_t at, size_t size);

#endif
