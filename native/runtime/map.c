#include "map.h"

struct item items[MOST_ITEMS];

static struct heap heap; /* objects, pages, tables */

/*
 * A table that has become too small is emptied into one twice its size little by little, with every page that
 * is made: at a stroke it would keep all who store to guarded pages waiting for milliseconds.
 */
struct table {
  struct page **buckets;
  size_t size; /* a power of two; 0: none */
};
struct tables {
  struct table now, outgrown;
  size_t emptied; /* buckets of the outgrown one, from the first on */
};
static struct tables tables;
static size_t pages;
enum { MOVED_AT_ONCE = 16, SMALLEST_TABLE = 1024 };

/*
 * A sequence lock (Boehm, "Can seqlocks get along with programming language memory models?", 2012). Readers may come
 * upon what was given back, so that nothing of it is ever unmapped; they follow no pointer before they have seen that
 * it was read while nothing changed.
 *
 * Beside it, in the same cache line, which addresses copies may begin at: whatever else a program frees is known by
 * that line not to be ours. Bits of copies that are gone stay set until `sift`.
 */
enum { BEGINNINGS = 7 };
static struct {
  uint64_t version;
  uint64_t beginnings[BEGINNINGS];
} sight __attribute__((aligned(64)));

static size_t gone; /* copies, since the bits were sifted */
enum { MOST_GONE = 128 };

static void change(void) {
  __atomic_store_n(&sight.version, sight.version + 1, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void changed(void) { __atomic_store_n(&sight.version, sight.version + 1, __ATOMIC_RELEASE); }

uint64_t map_version(void) { return __atomic_load_n(&sight.version, __ATOMIC_ACQUIRE); }

int map_holds(uint64_t since) {
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return (since & 1) == 0 && __atomic_load_n(&sight.version, __ATOMIC_RELAXED) == since;
}

/** The word of an address, and its bit there. */
static uint64_t *beginning_of(uint64_t address, uint64_t *bit) {
  uint64_t hash = address / 8 * UINT64_C(0x9e3779b97f4a7c15);
  *bit = UINT64_C(1) << (hash >> 58);
  return &sight.beginnings[(hash >> 26 & UINT32_MAX) * BEGINNINGS >> 32];
}

static void note_beginning(uint64_t address) {
  uint64_t bit, *word = beginning_of(address, &bit);
  __atomic_store_n(word, *word | bit, __ATOMIC_RELAXED);
}

static int may_begin(uint64_t address) {
  uint64_t bit, *word = beginning_of(address, &bit);
  return (__atomic_load_n(word, __ATOMIC_RELAXED) & bit) != 0;
}

static size_t bucket_in(const struct table *which, uint64_t number) {
  return (number * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (which->size - 1);
}

/** The first of the pages among which the one of this number is, if there is any. */
static struct page **bucket_among(const struct tables *all, uint64_t number) {
  if (all->outgrown.size > 0) {
    size_t before = bucket_in(&all->outgrown, number);
    if (before >= all->emptied) return &all->outgrown.buckets[before];
  }
  return &all->now.buckets[bucket_in(&all->now, number)];
}

static struct page **bucket_of(uint64_t number) { return bucket_among(&tables, number); }

static struct page *find(uint64_t number) {
  if (tables.now.size == 0) return NULL;
  struct page *page = *bucket_of(number);
  while (page != NULL && page->number != number) page = page->next;
  return page;
}

struct page *page_of(uint64_t address) { return find(address / PAGE_SIZE); }

static void put(struct page **bucket, struct page *page) {
  page->next = *bucket;
  *bucket = page;
}

static int grow(void) {
  size_t size = tables.now.size == 0 ? SMALLEST_TABLE : tables.now.size * 2;
  struct page **buckets = pages_allocate(size * sizeof *buckets);
  if (buckets == NULL) return -1;
  tables = (struct tables){{buckets, size}, tables.now, 0};
  return 0;
}

/* Some buckets a page: the outgrown table is empty long before the larger one is full. */
static void go_on_growing(void) {
  for (int i = 0; i < MOVED_AT_ONCE && tables.outgrown.size > 0; i++) {
    struct table *from = &tables.outgrown;
    for (struct page *page = from->buckets[tables.emptied], *next; page != NULL; page = next) {
      next = page->next;
      put(&tables.now.buckets[bucket_in(&tables.now, page->number)], page);
    }
    from->buckets[tables.emptied] = NULL;
    if (++tables.emptied < from->size) continue;
    /* Its memory stays, for readers: that of all outgrown ones is as much as the table's. */
    *from = (struct table){NULL, 0};
  }
}

static void sift_table(const struct table *which) {
  for (size_t i = 0; i < which->size; i++) {
    for (const struct page *page = which->buckets[i]; page != NULL; page = page->next) {
      for (uint32_t at = 0; at < page->count; at++) note_beginning(page->copies[at].at);
    }
  }
}

/* Once in so many that are gone, and not where there are so many pages that nearly all bits would be set again. */
static void sift(void) {
  if (gone < MOST_GONE || pages > MOST_GONE || tables.now.size > SMALLEST_TABLE) return;
  gone = 0;
  for (int i = 0; i < BEGINNINGS; i++) __atomic_store_n(&sight.beginnings[i], 0, __ATOMIC_RELAXED);
  sift_table(&tables.now);
  sift_table(&tables.outgrown);
}

static struct page *make(uint64_t number) {
  struct page *page = find(number);
  if (page != NULL) return page;
  go_on_growing();
  if (pages >= tables.now.size && grow() < 0) return NULL;
  page = heap_allocate(&heap, sizeof *page);
  if (page == NULL) return NULL;
  page->number = number;
  put(bucket_of(number), page);
  pages++;
  return page;
}

static void drop_if_empty(struct page *page) {
  if (page->count > 0 || page->state != PAGE_PLAIN) return;
  struct page **link = bucket_of(page->number);
  while (*link != page) link = &(*link)->next;
  *link = page->next;
  pages--;
  heap_release(&heap, page->copies, page->room * sizeof *page->copies);
  heap_release(&heap, page, sizeof *page);
}

uint32_t first_copy(const struct page *page, uint64_t at) {
  uint32_t low = 0, high = page->count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const struct copy *copy = &page->copies[middle];
    if (copy->at + copy->size > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

const struct copy *copies_at(uint64_t address, uint32_t *count) {
  const struct page *page = page_of(address);
  *count = 0;
  if (page == NULL) return NULL;
  uint32_t first = first_copy(page, address);
  while (first + *count < page->count && page->copies[first + *count].at == address) ++*count;
  return *count == 0 ? NULL : &page->copies[first];
}

struct object *object_at(uint64_t address, unsigned *side) {
  uint32_t count;
  /* The new copy of one set may be the old copy of the next: the newest comes first. */
  const struct copy *copy = copies_at(address, &count);
  if (copy == NULL) return NULL;
  if (side != NULL) *side = copy->side;
  return copy->object;
}

/* Two copies may share bytes only if they are the same object, seen by two sets. */
static int fits(const struct page *page, const struct copy *one) {
  for (uint32_t i = first_copy(page, one->at); i < page->count; i++) {
    const struct copy *other = &page->copies[i];
    if (other->at >= one->at + one->size) break;
    int same = other->at == one->at && other->size == one->size;
    if (!same || items[other->object->item].set == items[one->object->item].set) return 0;
  }
  return 1;
}

static int insert(struct page *page, const struct copy *one) {
  if (page->count == page->room) {
    uint32_t room = page->room == 0 ? 4 : page->room * 2;
    struct copy *copies = heap_allocate(&heap, room * sizeof *copies);
    if (copies == NULL) return -1;
    if (page->room > 0) {
      memcpy(copies, page->copies, page->count * sizeof *copies);
      heap_release(&heap, page->copies, page->room * sizeof *copies);
    }
    page->copies = copies;
    page->room = room;
  }
  uint32_t i = first_copy(page, one->at);
  memmove(&page->copies[i + 1], &page->copies[i], (page->count - i) * sizeof *one);
  page->copies[i] = *one;
  page->count++;
  note_beginning(one->at);
  return 0;
}

static void erase(struct object *object, unsigned side, uint64_t last) {
  for (uint64_t number = first_page(object, side); number <= last; number++) {
    struct page *page = find(number);
    if (page == NULL) continue;
    for (uint32_t i = first_copy(page, object->at[side]); i < page->count; i++) {
      if (page->copies[i].at > object->at[side]) break;
      if (page->copies[i].object != object || page->copies[i].side != side) continue;
      page->count--;
      memmove(&page->copies[i], &page->copies[i + 1], (page->count - i) * sizeof *page->copies);
      break;
    }
    drop_if_empty(page);
  }
}

static long enter(struct object *object, unsigned side) {
  struct copy copy = {object->at[side], object, side, (uint32_t)object_size(object, side)};
  uint64_t first = first_page(object, side);
  for (uint64_t number = first; number <= last_page(object, side); number++) {
    struct page *page = make(number);
    long fault = page == NULL ? POLUS_FAULT_MEMORY : fits(page, &copy) ? 0 : POLUS_FAULT_OVERLAP;
    if (fault == 0 && insert(page, &copy) < 0) fault = POLUS_FAULT_MEMORY;
    if (fault == 0) continue;
    if (page != NULL) drop_if_empty(page);
    if (number > first) erase(object, side, number - 1);
    return fault;
  }
  return 0;
}

static long add(uint32_t number, uint64_t old_at, uint64_t new_at, struct object **result) {
  struct object *object = heap_allocate(&heap, sizeof *object);
  if (object == NULL) return POLUS_FAULT_MEMORY;
  object->at[POLUS_OLD] = old_at;
  object->at[POLUS_NEW] = new_at;
  object->item = number;
  long fault = enter(object, POLUS_OLD);
  if (fault == 0) {
    fault = enter(object, POLUS_NEW);
    if (fault < 0) erase(object, POLUS_OLD, last_page(object, POLUS_OLD));
  }
  if (fault < 0) {
    heap_release(&heap, object, sizeof *object);
    return fault;
  }
  struct item *item = &items[number];
  object->previous = item->last;
  if (item->last != NULL) item->last->next = object;
  else item->first = object;
  item->last = object;
  *result = object;
  return 0;
}

long map_add(uint32_t number, uint64_t old_at, uint64_t new_at, struct object **result) {
  change();
  long fault = add(number, old_at, new_at, result);
  changed();
  return fault;
}

void map_remove(struct object *object) {
  change();
  struct item *item = &items[object->item];
  if (object->previous != NULL) object->previous->next = object->next;
  else item->first = object->next;
  if (object->next != NULL) object->next->previous = object->previous;
  else item->last = object->previous;
  erase(object, POLUS_OLD, last_page(object, POLUS_OLD));
  erase(object, POLUS_NEW, last_page(object, POLUS_NEW));
  heap_release(&heap, object, sizeof *object);
  gone += 2;
  sift();
  changed();
}

/* For readers beside a change. */
#define SEEN(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)

/** Says in `*result` which page it is, NULL for none, unless it returns 0: something has changed. */
static int sight_page(uint64_t since, uint64_t number, struct page **result) {
  const struct tables all = {
    {SEEN(tables.now.buckets), SEEN(tables.now.size)},
    {SEEN(tables.outgrown.buckets), SEEN(tables.outgrown.size)},
    SEEN(tables.emptied),
  };
  if (!map_holds(since)) return 0;
  struct page *page = all.now.size == 0 ? NULL : SEEN(*bucket_among(&all, number));
  while (map_holds(since)) {
    if (page == NULL || SEEN(page->number) == number) return *result = page, 1;
    page = SEEN(page->next);
  }
  return 0;
}

int map_sight(uint64_t since, uint64_t address, uint32_t index, struct sighting *result) {
  struct page *page;
  if (!may_begin(address)) return map_holds(since) ? 0 : -1;
  if (!sight_page(since, address / PAGE_SIZE, &page)) return -1;
  if (page == NULL) return map_holds(since) ? 0 : -1;
  const struct page seen = {.copies = SEEN(page->copies), .count = SEEN(page->count)};
  if (!map_holds(since)) return -1;
  uint32_t at = first_copy(&seen, address) + index;
  if (at >= seen.count || SEEN(seen.copies[at].at) != address) return map_holds(since) ? 0 : -1;
  const struct object *object = SEEN(seen.copies[at].object);
  result->side = SEEN(seen.copies[at].side);
  if (!map_holds(since)) return -1;
  result->at[POLUS_OLD] = SEEN(object->at[POLUS_OLD]);
  result->at[POLUS_NEW] = SEEN(object->at[POLUS_NEW]);
  result->item = SEEN(object->item);
  return map_holds(since) ? 1 : -1;
}

int map_may_know(const void *at, size_t size) {
  uint64_t since = map_version();
  uint64_t first = (uint64_t)at / PAGE_SIZE, last = ((uint64_t)at + (size == 0 ? 0 : size - 1)) / PAGE_SIZE;
  for (uint64_t number = first; number <= last; number++) {
    struct page *page;
    if (!sight_page(since, number, &page) || page != NULL) return 1;
  }
  return !map_holds(since);
}
