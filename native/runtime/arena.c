#include "arena.h"

/* As a heap, but what is free is noted elsewhere. */
struct freed {
  struct freed *next;
  uint64_t at;
};

enum { CLASSES = 64, CHUNK = 1 << 20 };

static struct heap notes;
static struct freed *freed[CLASSES];
static uint64_t next, end;

static unsigned class_of(size_t room) { return 2 * (unsigned)__builtin_ctzl(room & -room) + ((room & (room - 1)) != 0); }

uint64_t arena_allocate(size_t size) {
  size_t room = heap_room(size);
  struct freed **list = &freed[class_of(room)];
  struct freed *first = *list;
  if (first != NULL) {
    uint64_t at = first->at;
    *list = first->next;
    heap_release(&notes, first, sizeof *first);
    return at;
  }
  if (end - next < room) {
    size_t chunk = room > CHUNK ? room : CHUNK;
    void *at = pages_allocate(chunk);
    if (at == NULL) return 0;
    next = (uint64_t)at;
    end = next + chunk;
  }
  uint64_t at = next;
  next += room;
  return at;
}

void arena_release(uint64_t at, size_t size) {
  struct freed *one = heap_allocate(&notes, sizeof *one);
  if (one == NULL) return; /* lost, not wrong */
  struct freed **list = &freed[class_of(heap_room(size))];
  one->at = at;
  one->next = *list;
  *list = one;
}
