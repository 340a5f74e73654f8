#include "guard.h"

#include "coherence.h"
#include "pages.h"

static struct page *page_number(uint64_t number) { return page_of(number * PAGE_SIZE); }

static uint32_t set_of(const struct page *page) { return items[page->copies[0].object->item].set; }

/** Pages that go the same way. */
struct run {
  uint64_t first;
  size_t count;
};

/*
 * As many around one as its block has: more cost hardly more, and come soon, in whatever order the objects do.
 * One by one each would become a mapping of its own, of which a process may have 65,530.
 */
static struct run run_around(uint64_t number, int (*same)(const struct page *, const void *), const void *context) {
  uint64_t block = number - number % MOST_PAGES, first = number, end = number + 1;
  while (first > block && same(page_number(first - 1), context)) first--;
  while (end < block + MOST_PAGES && same(page_number(end), context)) end++;
  return (struct run){first, end - first};
}

static int plain_of_set(const struct page *page, const void *set) {
  return page != NULL && page->state == PAGE_PLAIN && page->count > 0 && set_of(page) == *(const uint32_t *)set;
}

static long guard_copy(struct object *object, unsigned side) {
  for (uint64_t number = first_page(object, side); number <= last_page(object, side); number++) {
    struct page *page = page_number(number);
    long fault = 0;
    if (page->state == PAGE_RETIRED) fault = page_revive(page);
    if (fault == 0 && page->state == PAGE_PLAIN) {
      uint32_t set = set_of(page);
      struct run run = run_around(number, plain_of_set, &set);
      fault = pages_guard(run.first, run.count);
    }
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

int guard_lacks(struct object *object) {
  if (object->flags & OBJECT_COHERENT) return 0;
  for (unsigned side = POLUS_OLD; side <= POLUS_NEW; side++) {
    for (uint64_t number = first_page(object, side); number <= last_page(object, side); number++) {
      if (page_number(number)->state != PAGE_GUARDED) return 1;
    }
  }
  return 0;
}

long guard_pages(struct object *object) {
  long fault = guard_copy(object, POLUS_OLD);
  return fault == 0 ? guard_copy(object, POLUS_NEW) : fault;
}

long guard_object(struct object *object, unsigned from) {
  if (object->flags & OBJECT_COHERENT) return 0;
  long fault = guard_pages(object);
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

/** Pages of which nothing is guarded any more, and that are to be opened, or retired. */
struct opening {
  const struct object *like;
  unsigned side;
  int stale, retire;
};

static int goes_along(const struct page *page, const void *context) {
  const struct opening *opening = context;
  if (page == NULL || page->state != PAGE_GUARDED || page->guards > 0) return 0;
  return (opening->stale && only_stale(page, opening->like, opening->side)) == opening->retire;
}

long open_copy(struct object *object, unsigned side, int stale) {
  for (uint64_t number = first_page(object, side); number <= last_page(object, side); number++) {
    const struct page *page = page_number(number);
    if (page == NULL || page->state != PAGE_GUARDED || page->guards > 0) continue;
    struct opening opening = {object, side, stale, stale && only_stale(page, object, side)};
    struct run run = run_around(number, goes_along, &opening);
    long fault = opening.retire ? pages_retire(run.first, run.count) : pages_open(run.first, run.count);
    if (fault < 0) return fault;
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
