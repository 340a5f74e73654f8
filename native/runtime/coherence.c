#include "coherence.h"

#include "careful.h"
#include "fields.h"
#include "vectors.h"
#include "lock.h"
#include "word.h"

/* Deep enough for two drafts of the largest object at each of several stacked updates. */
enum { DRAFTS = 32 * LARGEST_OBJECT };

static struct {
  uint8_t *start, *next, *end;
  uint32_t set; /* of the transfer that runs, plus one; 0: none */
} drafts;

long coherence_start(void) {
  drafts.start = drafts.next = pages_allocate(DRAFTS);
  if (drafts.start == NULL) return POLUS_FAULT_MEMORY;
  drafts.end = drafts.start + DRAFTS;
  return 0;
}

static void *push(size_t size) {
  size = (size + 15) & ~(size_t)15;
  if ((size_t)(drafts.end - drafts.next) < size) return NULL;
  void *result = drafts.next;
  drafts.next += size;
  return result;
}

/* One instruction for what the program's one instruction would have stored whole. */
static void copy_whole(uint8_t *to, const uint8_t *from, size_t size) { word_store(to, word_load(from, size), size); }

static void copy_in_units(uint8_t *to, const uint8_t *from, size_t size) {
  if (size == 2 || size == 4 || size == 8) {
    copy_whole(to, from, size);
    return;
  }
  while (size > 0) {
    size_t unit = 8;
    while (unit > size || ((uint64_t)to & (unit - 1)) != 0) unit /= 2;
    copy_whole(to, from, unit);
    to += unit, from += unit, size -= unit;
  }
}

static size_t rest_of_page(uint64_t at, size_t size) {
  size_t rest = PAGE_SIZE - at % PAGE_SIZE;
  return size < rest ? size : rest;
}

static int put(uint64_t at, const uint8_t *bytes, size_t size) {
  for (size_t part; size > 0; at += part, bytes += part, size -= part) {
    part = rest_of_page(at, size);
    const struct page *page = page_of(at);
    if (page != NULL && page->state == PAGE_GUARDED) copy_in_units(page->alias + at % PAGE_SIZE, bytes, part);
    else if (careful_copy((void *)at, bytes, part) < 0) return -1;
  }
  return 0;
}

/* Pointers into the draft itself are meant for the object: a list head that is empty points at itself. */
static void correct_own_pointers(uint8_t *draft, uint64_t at, size_t size) {
  for (size_t offset = -at & 7; offset + 8 <= size; offset += 8) {
    unaligned64 *word = (unaligned64 *)(draft + offset);
    uint64_t distance = *word - (uint64_t)draft;
    if (distance < size) *word = at + distance;
  }
}

/* What the other copy becomes: its present bytes, and over them what the transfer makes of this copy. */
static uint8_t *make_draft(const struct object *object, unsigned from) {
  unsigned to = 1 - from;
  size_t size = object_size(object, to);
  uint8_t *draft = push(size + 8);
  if (draft == NULL) {
    polus_control.damage = (uint64_t)POLUS_FAULT_MEMORY;
    return NULL;
  }
  draft += object->at[to] & 7; /* words of the object are words of the draft */
  memcpy(draft, (const void *)object->at[to], size);
  const struct item *item = &items[object->item];
  uint32_t before = drafts.set;
  drafts.set = item->set + 1;
  vectors_needed();
  item->transfer[from]((const void *)object->at[from], draft);
  drafts.set = before;
  polus_control.transfers++;
  correct_own_pointers(draft, object->at[to], size);
  return draft;
}

static int apply(uint64_t at, const uint8_t *bytes, size_t size, const struct object *source);

/*
 * What becomes of up to eight bytes of a copy, of which two drafts were made. Bytes in which they differ are
 * taken over. So are bytes beside them that the twin holds and the first draft does not: there the other
 * version's value did not survive the way back and forth, and what is new replaces it whole.
 */
static void merge(uint8_t *bytes, size_t size, const uint8_t *before, const uint8_t *after) {
  uint8_t lossy[8], taken[8];
  for (size_t i = 0; i < size; i++) {
    lossy[i] = bytes[i] != before[i];
    taken[i] = before[i] != after[i];
  }
  for (size_t i = 1; i < size; i++) taken[i] |= taken[i - 1] & lossy[i];
  for (size_t i = size - 1; i > 0; i--) taken[i - 1] |= taken[i] & lossy[i - 1];
  for (size_t i = 0; i < size; i++) {
    if (taken[i]) bytes[i] = after[i];
  }
}

/* Stores what differs of a word: the smallest aligned unit with all of it, so that nobody sees half of it. */
static void store_difference(const struct object *object, uint64_t at, const uint8_t *bytes, size_t size) {
  const uint8_t *now = (const uint8_t *)at;
  size_t start = 0, end = size;
  while (start < end && bytes[start] == now[start]) start++;
  while (end > start && bytes[end - 1] == now[end - 1]) end--;
  if (start == end) return;
  uint64_t unit = 1;
  while ((at + start) / unit != (at + end - 1) / unit) unit *= 2;
  uint64_t first = (at + start) & -unit, last = first + unit;
  if (first < at) first = at;
  if (last > at + size) last = at + size;
  (void)apply(first, bytes + (first - at), last - first, object);
}

/* Stores into the copy on the other side the words in which two drafts of it differ. */
static void carry_over(const struct object *object, unsigned from, const uint8_t *before, const uint8_t *after) {
  uint64_t at = object->at[1 - from];
  size_t size = object_size(object, 1 - from);
  for (size_t offset = 0, length; offset < size; offset += length) {
    length = 8 - (at + offset) % 8;
    if (length > size - offset) length = size - offset;
    if (memcmp(before + offset, after + offset, length) == 0) continue;
    uint8_t bytes[8];
    memcpy(bytes, (const uint8_t *)at + offset, length);
    merge(bytes, length, before + offset, after + offset);
    store_difference(object, at + offset, bytes, length);
  }
}

struct change {
  struct change *next;
  struct object *object;
  const uint8_t *before;
  uint32_t side;
};

/* The objects, apart from `source`, that the store touches, with drafts of their twins as they would be now. */
static struct change *changes_of(uint64_t at, size_t size, const struct object *source) {
  struct change *changes = NULL;
  uint64_t end = at + size;
  for (uint64_t number = at / PAGE_SIZE; number <= (end - 1) / PAGE_SIZE; number++) {
    const struct page *page = page_of(number * PAGE_SIZE);
    if (page == NULL || page->guards == 0) continue;
    for (uint32_t i = first_copy(page, at); i < page->count && page->copies[i].at < end; i++) {
      const struct copy *copy = &page->copies[i];
      int seen = copy->at / PAGE_SIZE < number && at / PAGE_SIZE < number;
      if (seen || copy->object == source || !(copy->object->flags & OBJECT_COHERENT)) continue;
      struct change *change = push(sizeof *change);
      if (change == NULL) return changes;
      *change = (struct change){changes, copy->object, make_draft(copy->object, copy->side), copy->side};
      changes = change;
    }
  }
  return changes;
}

static int apply(uint64_t at, const uint8_t *bytes, size_t size, const struct object *source) {
  uint8_t *mark = drafts.next;
  struct change *changes = changes_of(at, size, source);
  int result = put(at, bytes, size);
  for (; changes != NULL; changes = changes->next) {
    const uint8_t *after = changes->before == NULL ? NULL : make_draft(changes->object, changes->side);
    if (after != NULL) carry_over(changes->object, changes->side, changes->before, after);
  }
  drafts.next = mark;
  return result;
}

int coherent_store_on(const struct page *page, uint64_t at, const void *bytes, size_t size) {
  if (memcmp((const void *)at, bytes, size) == 0) return 0; /* nothing changes */
  return field_store(page, at, bytes, size) ? 0 : apply(at, bytes, size, NULL);
}

int coherent_store(uint64_t at, const void *bytes, size_t size) {
  const struct page *page = page_of(at);
  int one_page = page != NULL && page->state == PAGE_GUARDED && at % PAGE_SIZE + size <= PAGE_SIZE;
  return one_page ? coherent_store_on(page, at, bytes, size) : apply(at, bytes, size, NULL);
}

void coherent_convert(struct object *object, unsigned from) {
  uint8_t *mark = drafts.next;
  uint8_t *draft = make_draft(object, from);
  if (draft != NULL) (void)apply(object->at[1 - from], draft, object_size(object, 1 - from), object);
  drafts.next = mark;
}

void coherent_clear(uint64_t at, size_t size) {
  static const uint8_t zeros[64];
  for (size_t part; size > 0; at += part, size -= part) {
    part = rest_of_page(at, size < sizeof zeros ? size : sizeof zeros);
    (void)put(at, zeros, part);
  }
}

void *polus_twin_of(const void *pointer) {
  uint32_t count;
  const struct copy *copies = pointer == NULL ? NULL : copies_at((uint64_t)pointer, &count);
  if (copies == NULL) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    /* Of two updates on top of each other, the one whose transfer runs. */
    if (drafts.set != 0 && items[copies[i].object->item].set + 1 != drafts.set) continue;
    return (void *)copies[i].object->at[1 - copies[i].side];
  }
  return NULL;
}

/*
 * The copy that `transfer` fills, from any copy of the object: those of updates on top of each other are a chain.
 * Returns 1, 0 if there is none, or -1 if something has changed since `version`.
 */
static int filled_by(uint64_t version, uint64_t at, const void *transfer, uint32_t behind, void **found) {
  struct sighting one;
  int result;
  for (uint32_t i = 0; (result = map_sight(version, at, i, &one)) > 0; i++) {
    for (unsigned from = POLUS_OLD; from <= POLUS_NEW; from++) {
      if ((const void *)items[one.item].transfer[from] != transfer) continue;
      if (!map_holds(version)) return -1; /* an item's number may be given again */
      *found = (void *)one.at[1 - from];
      return 1;
    }
  }
  for (uint32_t i = 0; result == 0 && (result = map_sight(version, at, i, &one)) > 0; i++) {
    uint32_t set = items[one.item].set + 1;
    result = set == behind ? 0 : filled_by(version, one.at[1 - one.side], transfer, set, found);
    if (result > 0) return result;
  }
  return result;
}

/*
 * What was asked for: a program that asks the same for each of its calls finds the answer in one cache line instead of
 * eight. It holds for as long as the map does, and is not replaced before: many threads that ask for many objects write
 * a line once for each change of the map. Whoever comes upon one that is being written goes without.
 */
static struct answer {
  uint64_t turn; /* odd while it is written */
  uint64_t version, at;
  const void *transfer;
  void *found;
} __attribute__((aligned(64))) answers[64];

enum { WAYS = 2 };

static struct answer *answer_to(uint64_t at, const void *transfer, unsigned way) {
  return &answers[((at / 8 ^ (uint64_t)transfer) * UINT64_C(0x9e3779b97f4a7c15) >> 58) ^ way];
}

static int recall(uint64_t version, uint64_t at, const void *transfer, void **found) {
  for (unsigned way = 0; way < WAYS; way++) {
    const struct answer *answer = answer_to(at, transfer, way);
    uint64_t turn = __atomic_load_n(&answer->turn, __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&answer->version, __ATOMIC_RELAXED) != version) return 0;
    int right = __atomic_load_n(&answer->at, __ATOMIC_RELAXED) == at &&
                __atomic_load_n(&answer->transfer, __ATOMIC_RELAXED) == transfer;
    void *known = __atomic_load_n(&answer->found, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (turn % 2 != 0 || __atomic_load_n(&answer->turn, __ATOMIC_RELAXED) != turn || !map_holds(version)) return 0;
    if (!right) continue;
    *found = known;
    return 1;
  }
  return 0;
}

static void remember(uint64_t version, uint64_t at, const void *transfer, void *found) {
  for (unsigned way = 0; way < WAYS; way++) {
    struct answer *answer = answer_to(at, transfer, way);
    uint64_t turn = __atomic_load_n(&answer->turn, __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&answer->version, __ATOMIC_RELAXED) == version) continue;
    if (turn % 2 != 0) return;
    if (!__atomic_compare_exchange_n(&answer->turn, &turn, turn + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&answer->version, version, __ATOMIC_RELAXED);
    __atomic_store_n(&answer->at, at, __ATOMIC_RELAXED);
    __atomic_store_n(&answer->transfer, transfer, __ATOMIC_RELAXED);
    __atomic_store_n(&answer->found, found, __ATOMIC_RELAXED);
    __atomic_store_n(&answer->turn, turn + 2, __ATOMIC_RELEASE);
    return;
  }
}

void *polus_copy_by(const void *object, const void *transfer) {
  void *found = NULL;
  /* Twice: what changes it does so for less than a microsecond, now and then. */
  for (int i = 0; object != NULL && i < 2; i++) {
    uint64_t version = map_version();
    if (recall(version, (uint64_t)object, transfer, &found)) return found;
    int result = filled_by(version, (uint64_t)object, transfer, 0, &found);
    if (result < 0) continue;
    remember(version, (uint64_t)object, transfer, found);
    return found;
  }
  if (object == NULL) return NULL;
  uint64_t mask = lock_enter();
  (void)filled_by(map_version(), (uint64_t)object, transfer, 0, &found);
  lock_leave(mask);
  return found;
}
