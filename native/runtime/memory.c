#include "memory.h"

#include "syscalls.h"

/* The string instructions rather than loops: correct without vector registers, and fast with ERMS. */

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  void *result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return result;
}

void *memmove(void *to, const void *from, size_t size) {
  uint8_t *target = to;
  const uint8_t *source = from;
  if (target <= source || target >= source + size) return memcpy(to, from, size);
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
  for (size_t i = 0; i < size; i++) {
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
