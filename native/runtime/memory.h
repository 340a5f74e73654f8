/* Memory of the runtime's own: never the program's malloc, whose lock a stopped thread may hold. */
#ifndef POLUS_MEMORY_H
#define POLUS_MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum { PAGE_SIZE = 4096 };

/** Words of what may be of another type, and lie anywhere. */
typedef uint64_t unaligned64 __attribute__((may_alias, aligned(1)));
typedef uint32_t unaligned32 __attribute__((may_alias, aligned(1)));
typedef uint16_t unaligned16 __attribute__((may_alias, aligned(1)));

/* Emitted by the compiler, and used by us. */
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *one, const void *other, size_t size);

/* Freestanding code has no built-in functions of its own accord; sizes that are constants become moves with these. */
#define memcpy(to, from, size) __builtin_memcpy(to, from, size)
#define memset(to, value, size) __builtin_memset(to, value, size)

/** Zeroed pages from the kernel, `size` rounded up; NULL if there are none. */
void *pages_allocate(size_t size);
void pages_release(void *at, size_t size);

/**
 * A heap of size classes (powers of two and their halves above, from 16 bytes). Everything in one heap
 * lies in pages that nothing else lies in, and that stay mapped. Under the runtime's lock only.
 */
struct heap {
  void *free[64];
  uint8_t *next; /* unused part of the newest chunk */
  uint8_t *end;
  size_t chunk; /* size of the newest chunk: they grow */
};

/** Zeroed, aligned to 16; NULL if there is no memory. */
void *heap_allocate(struct heap *heap, size_t size);

/** `size` as it was asked for. */
void heap_release(struct heap *heap, void *at, size_t size);

/** How many bytes are taken for an object of `size`. */
size_t heap_room(size_t size);

#endif
