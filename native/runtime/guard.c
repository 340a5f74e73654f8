#include "guard.h"

#include "coherence.h"
#include "pages.h"

static struct page *page_number(uint64_t number) { return page_of(number * PAGE_SIZE); }

static uint32_t set_of(const struct page *page) { return items[page->copies[0].object->item].set; }

/* Pages that follow, and will be needed soon: a longer run costs hardly more. */
static size_t plain_run(uint64_t first, uint32_t set) {
  size_t count = 1;
  while (count < MOST_PAGES) {
    const struct page *page = page_number(first + count);
    if (page == NULL || page->state != PAGE_PLAIN || page->count == 0 || set_of(page) != set) break;
    count++;
  }
  return count;
}

static long guard_copy(struct object *object, unsigned side) {
  for (uint64_t number = first_page(object, side); number <= last_page(object, side); number++) {
    struct page *page = page_number(number);
    long fault = 0;
    if (page->state == PAGE_RETIRED) fault = page_revive(page);
    if (fault == 0 && page->state == PAGE_PLAIN) fault = pages_guard(number, plain_run(number, set_of(page)));
    if (fault < 0) return fault;
  }
  return 0;
}

static void count_guards(struct object *object, int by) {
  for (unsigned side = POLUS_OLD; side <= POLUS_NEW; side++) {
    for (uint64_t number = first_page(object, side); number <= last_page(object, side); number++) {
      struct page *page = page_number(number);
      page->guards = (uint32_t)((int64_t)page->guards + by);
    }
  }
}

long guard_object(struct object *object, unsigned from) {
  if (object->flags & OBJECT_COHERENT) return 0;
  long fault = guard_copy(object, POLUS_OLD);
  if (fault == 0) fault = guard_copy(object, POLUS_NEW);
  if (fault < 0) return fault;
  coherent_convert(object, from);
  object->flags |= OBJECT_COHERENT;
  count_guards(object, 1);
  return 0;
}

void unguard_object(struct object *object) {
  if (!(object->flags & OBJECT_COHERENT)) return;
  object->flags &= ~(uint32_t)OBJECT_COHERENT;
  count_guards(object, -1);
}

static int from_arena(const struct object *object, unsigned side) {
  return (object->flags & (side == POLUS_NEW ? OBJECT_ARENA_NEW : OBJECT_ARENA)) != 0;
}

/* Whether everything in the page is a stale copy in the arena, as this one is. */
static int only_stale(const struct page *page, const struct object *like, unsigned side) {
  for (uint32_t i = 0; i < page->count; i++) {
    const struct copy *copy = &page->copies[i];
    const struct object *object = copy->object;
    if (copy->side != side || !from_arena(object, side) || (object->flags & OBJECT_COHERENT)) return 0;
    if (items[object->item].set != items[like->item].set) return 0;
  }
  return 1;
}

long open_copy(struct object *object, unsigned side, int stale) {
  for (uint64_t number = first_page(object, side); number <= last_page(object, side);) {
    size_t count = 0;
    int retire = 0;
    while (count < MOST_PAGES) {
      const struct page *page = page_number(number + count);
      if (page == NULL || page->state != PAGE_GUARDED || page->guards > 0) break;
      int this_one = stale && only_stale(page, object, side);
      if (count > 0 && this_one != retire) break;
      retire = this_one;
      count++;
    }
    long fault = count == 0 ? 0 : retire ? pages_retire(number, count) : pages_open(number, count);
    if (fault < 0) return fault;
    number += count == 0 ? 1 : count;
  }
  return 0;
}

long revive_copy(struct object *object, unsigned side) {
  for (uint64_t number = first_page(object, side); number <= last_page(object, side); number++) {
    struct page *page = page_number(number);
    long fault = page->state == PAGE_RETIRED ? page_revive(page) : 0;
    if (fault < 0) return fault;
  }
  return 0;
}
