#include "pending.h"

#include "memory.h"

enum { IN_A_BLOCK = 16381 };

/** Objects of one item. */
struct block {
  struct block *next;
  long item;
  size_t given;
  void *objects[IN_A_BLOCK];
};

static struct {
  struct block *first, *last;
  size_t taken; /* of the first */
} queue;

/* Addresses that were freed while something was pending: open addressing, at most half full. */
static struct {
  const void **slots;
  size_t size, used;
} freed;

int pending_any(void) { return __atomic_load_n(&queue.first, __ATOMIC_ACQUIRE) != NULL; }

int pending_add(long item, void *object) {
  struct block *last = queue.last;
  if (last == NULL || last->given == IN_A_BLOCK || last->item != item) {
    struct block *block = pages_allocate(sizeof *block);
    if (block == NULL) return -1;
    block->item = item;
    if (last == NULL) queue.first = block, queue.taken = 0;
    else last->next = block;
    queue.last = last = block;
  }
  last->objects[last->given++] = object;
  return 0;
}

void pending_drop(long item) {
  for (struct block *block = queue.first; block != NULL; block = block->next) {
    if (block->item == item) block->item = -1;
  }
}

static size_t slot_of(const void *object) {
  size_t at = ((uint64_t)object * UINT64_C(0x9e3779b97f4a7c15) >> 24) & (freed.size - 1);
  while (freed.slots[at] != NULL && freed.slots[at] != object) at = (at + 1) & (freed.size - 1);
  return at;
}

static void forget_freed(void) {
  if (freed.slots != NULL) pages_release(freed.slots, freed.size * sizeof *freed.slots);
  freed.slots = NULL;
  freed.size = freed.used = 0;
}

int pending_take(struct pending *result) {
  while (queue.first != NULL) {
    struct block *block = queue.first;
    if (queue.taken == block->given || block->item < 0) {
      queue.first = block->next;
      queue.taken = 0;
      if (queue.first == NULL) queue.last = NULL;
      pages_release(block, sizeof *block);
      continue;
    }
    *result = (struct pending){block->objects[queue.taken++], block->item};
    if (freed.size == 0 || freed.slots[slot_of(result->object)] == NULL) return 1;
  }
  forget_freed();
  return 0;
}

void pending_freed(const void *object) {
  if (queue.first == NULL) return;
  if (2 * (freed.used + 1) > freed.size) {
    const void **before = freed.slots;
    size_t size = freed.size;
    const void **larger = pages_allocate((size == 0 ? 512 : 2 * size) * sizeof *larger);
    if (larger == NULL) return; /* it stays pending, as if the program had not told */
    freed.slots = larger;
    freed.size = size == 0 ? 512 : 2 * size;
    for (size_t i = 0; i < size; i++) {
      if (before[i] != NULL) freed.slots[slot_of(before[i])] = before[i];
    }
    if (before != NULL) pages_release(before, size * sizeof *before);
  }
  size_t at = slot_of(object);
  if (freed.slots[at] == NULL) freed.used++;
  freed.slots[at] = object;
}

void pending_known(const void *object) {
  /* Others that collided with it must still be found: the slot is filled with what is never pending. */
  if (freed.size == 0) return;
  size_t at = slot_of(object);
  if (freed.slots[at] != NULL) freed.slots[at] = &freed;
}
