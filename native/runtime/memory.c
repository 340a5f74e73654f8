#include "memory.h"

#include "syscalls.h"

#undef memcpy
#undef memset

/* Words up to here: a string instruction takes as long to begin with (Intel's optimization manual, 3.7.6). */
enum { SMALL = 256 };

static void copy_forward(void *to, const void *from, size_t size) {
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/* The last word may overlap the one before it. */
static void copy_words(uint8_t *to, const uint8_t *from, size_t size) {
  for (size_t at = 0; at + 8 < size; at += 8) *(unaligned64 *)(to + at) = *(const unaligned64 *)(from + at);
  *(unaligned64 *)(to + size - 8) = *(const unaligned64 *)(from + size - 8);
}

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  uint8_t *target = to;
  const uint8_t *source = from;
  if (size > SMALL) {
    copy_forward(to, from, size);
  } else if (size >= 8) {
    copy_words(target, source, size);
  } else if (size >= 4) {
    uint32_t first = *(const unaligned32 *)source, last = *(const unaligned32 *)(source + size - 4);
    *(unaligned32 *)target = first, *(unaligned32 *)(target + size - 4) = last;
  } else if (size >= 2) {
    uint16_t first = *(const unaligned16 *)source, last = *(const unaligned16 *)(source + size - 2);
    *(unaligned16 *)target = first, *(unaligned16 *)(target + size - 2) = last;
  } else if (size == 1) {
    *target = *source;
  }
  return to;
}

void *memmove(void *to, const void *from, size_t size) {
  uint8_t *target = to;
  const uint8_t *source = from;
  if (target <= source || target >= source + size) {
    copy_forward(to, from, size);
    return to;
  }
  while (size-- > 0) {
    target[size] = source[size];
    __asm__ volatile("" : : : "memory");
  }
  return to;
}

void *memset(void *to, int value, size_t size) {
  void *at = to;
  __asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
  return to;
}

int memcmp(const void *one, const void *other, size_t size) {
  const uint8_t *left = one, *right = other;
  size_t equal = 0;
  while (size - equal >= 8 && *(const unaligned64 *)(left + equal) == *(const unaligned64 *)(right + equal)) equal += 8;
  for (size_t i = equal; i < size; i++) {
    if (left[i] != right[i]) return left[i] < right[i] ? -1 : 1;
  }
  return 0;
}

static size_t whole_pages(size_t size) { return (size + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1); }

void *pages_allocate(size_t size) {
  long at = polus_mmap(NULL, whole_pages(size), POLUS_PROT_READ | POLUS_PROT_WRITE,
                       POLUS_MAP_PRIVATE | POLUS_MAP_ANONYMOUS, -1, 0);
  return polus_failed(at) ? NULL : (void *)at;
}

void pages_release(void *at, size_t size) { (void)polus_munmap(at, whole_pages(size)); }

/* Class 2k holds 16 << k bytes, class 2k + 1 half as much again. */
static unsigned class_of(size_t size, size_t *room) {
  size_t at = 16;
  for (unsigned class = 0;; class += 2, at <<= 1) {
    if (size <= at) return *room = at, class;
    if (size <= at + at / 2) return *room = at + at / 2, class + 1;
  }
}

size_t heap_room(size_t size) {
  size_t room;
  (void)class_of(size, &room);
  return room;
}

enum { FIRST_CHUNK = 1 << 16, MOST_CHUNK = 1 << 24, LARGEST = 1 << 28 };

void *heap_allocate(struct heap *heap, size_t size) {
  if (size > LARGEST) return NULL;
  size_t room;
  unsigned class = class_of(size, &room);
  void **freed = heap->free[class];
  if (freed != NULL) {
    heap->free[class] = *freed;
    return memset(freed, 0, room);
  }
  if ((size_t)(heap->end - heap->next) < room) {
    size_t chunk = heap->chunk == 0 ? FIRST_CHUNK : heap->chunk < MOST_CHUNK ? heap->chunk * 2 : MOST_CHUNK;
    heap->chunk = chunk;
    if (chunk < room) chunk = room;
    uint8_t *at = pages_allocate(chunk);
    if (at == NULL) return NULL;
    heap->next = at;
    heap->end = at + chunk;
  }
  void *result = heap->next;
  heap->next += room;
  return result;
}

void heap_release(struct heap *heap, void *at, size_t size) {
  if (at == NULL) return;
  size_t room;
  unsigned class = class_of(size, &room);
  *(void **)at = heap->free[class];
  heap->free[class] = at;
}
