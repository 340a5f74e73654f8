#include "shadow.h"

#include "lock.h"
#include "memory.h"

/** A field; chained ones stay some for ever, so that a reader that comes too late finds one, of whatever object. */
struct entry {
  struct entry *next;
  const void *object;
  unsigned long key;
  void *field; /* NULL: unused */
  size_t size;
};

/**
 * A chain, with a number that is odd while the chain changes and for ever once a larger table has taken over. Its
 * first entry is part of it: a reader that finds its field there has looked at two cache lines.
 */
struct chain {
  uint64_t version;
  struct entry first;
} __attribute__((aligned(64)));

/* Where the chains are, and the binary logarithm of how many, in one word. Older ones are kept: a reader may be in them. */
static uint64_t table;
static size_t fields;
static struct heap heap;
static struct entry *unused;

static struct chain *chains_in(uint64_t word) { return (struct chain *)(word & ~UINT64_C(63)); }
static size_t size_of(uint64_t word) { return word == 0 ? 0 : (size_t)1 << (word & 63); }

static struct chain *chain_of(uint64_t word, const void *object, unsigned long key) {
  uint64_t hash = ((uint64_t)object / 8 ^ key * UINT64_C(0xff51afd7ed558ccd)) * UINT64_C(0x9e3779b97f4a7c15);
  return &chains_in(word)[(hash >> 20) & (size_of(word) - 1)];
}

/* A chain that changes under a reader may lead it into another one, but nowhere else; its length is bounded. */
static void *find(const struct chain *chain, const void *object, unsigned long key) {
  const struct entry *entry = &chain->first;
  for (size_t steps = 0; entry != NULL && steps <= fields; steps++) {
    void *field = __atomic_load_n(&entry->field, __ATOMIC_ACQUIRE);
    if (entry->object == object && entry->key == key && field != NULL) return field;
    entry = __atomic_load_n(&entry->next, __ATOMIC_ACQUIRE);
  }
  return NULL;
}

void *polus_shadow(const void *object, unsigned long key) {
  for (;;) {
    uint64_t now = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
    if (now == 0) return NULL;
    struct chain *chain = chain_of(now, object, key);
    uint64_t before = __atomic_load_n(&chain->version, __ATOMIC_ACQUIRE);
    void *field = find(chain, object, key);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    int same = before == __atomic_load_n(&chain->version, __ATOMIC_RELAXED) && before % 2 == 0;
    /* A handler that interrupted the change itself would wait for ever; at each of its steps the chain is whole. */
    if (same || lock_is_mine()) return field;
    __asm__ volatile("pause");
  }
}

static void change_begins(struct chain *chain) { (void)__atomic_add_fetch(&chain->version, 1, __ATOMIC_ACQ_REL); }
static void change_ends(struct chain *chain) { (void)__atomic_add_fetch(&chain->version, 1, __ATOMIC_RELEASE); }

static void give_up(struct entry *entry) {
  __atomic_store_n(&entry->field, NULL, __ATOMIC_RELEASE);
  entry->next = unused;
  unused = entry;
}

/* Takes what the entry says; the entry itself may be left over. */
static void put(struct chain *chain, struct entry *entry) {
  struct entry *first = &chain->first;
  change_begins(chain);
  if (first->field == NULL) {
    first->object = entry->object;
    first->key = entry->key;
    first->size = entry->size;
    __atomic_store_n(&first->field, entry->field, __ATOMIC_RELEASE);
    give_up(entry);
  } else {
    entry->next = first->next;
    __atomic_store_n(&first->next, entry, __ATOMIC_RELEASE);
  }
  change_ends(chain);
}

static int grow(void) {
  uint64_t before = table;
  unsigned bits = before == 0 ? 8 : (unsigned)(before & 63) + 1;
  void *chains = pages_allocate(sizeof(struct chain) << bits);
  if (chains == NULL) return before == 0 ? -1 : 0; /* long chains are slow, not wrong */
  uint64_t larger = (uint64_t)chains | bits;
  for (size_t i = 0; i < size_of(before); i++) change_begins(&chains_in(before)[i]);
  for (size_t i = 0; i < size_of(before); i++) {
    const struct entry *first = &chains_in(before)[i].first;
    /* What two chains have first never comes to one. */
    if (first->field != NULL) {
      chain_of(larger, first->object, first->key)->first =
          (struct entry){NULL, first->object, first->key, first->field, first->size};
    }
    for (struct entry *entry = first->next, *next; entry != NULL; entry = next) {
      next = entry->next;
      put(chain_of(larger, entry->object, entry->key), entry);
    }
  }
  __atomic_store_n(&table, larger, __ATOMIC_RELEASE);
  return 0;
}

static struct entry *make(const void *object, unsigned long key, size_t size) {
  if (fields >= size_of(table) && grow() < 0) return NULL;
  void *field = heap_allocate(&heap, size);
  struct entry *entry = unused;
  if (entry != NULL) unused = entry->next;
  else entry = heap_allocate(&heap, sizeof *entry);
  if (field == NULL || entry == NULL) {
    heap_release(&heap, field, size);
    return NULL;
  }
  *entry = (struct entry){NULL, object, key, field, size};
  return entry;
}

void *polus_shadow_get(const void *object, unsigned long key, size_t size,
                       void (*initialise)(void *, const void *, void *), void *context) {
  void *field = polus_shadow(object, key);
  if (field != NULL) return field;
  uint64_t mask = lock_enter();
  if (table != 0) field = find(chain_of(table, object, key), object, key);
  struct entry *entry = field != NULL ? NULL : make(object, key, size);
  if (entry != NULL) {
    field = entry->field;
    if (initialise != NULL) initialise(field, object, context);
    put(chain_of(table, object, key), entry);
    fields++;
  }
  lock_leave(mask);
  return field;
}

/** Ends the field of an entry that `link` leads to, or of the chain's first. */
static void end(struct chain *chain, struct entry **link) {
  struct entry *entry = link == NULL ? &chain->first : *link;
  void *field = entry->field;
  change_begins(chain);
  if (link == NULL) {
    __atomic_store_n(&entry->field, NULL, __ATOMIC_RELEASE);
  } else {
    __atomic_store_n(link, entry->next, __ATOMIC_RELEASE);
    give_up(entry);
  }
  heap_release(&heap, field, entry->size);
  fields--;
  change_ends(chain);
}

long polus_shadow_free(const void *object, unsigned long key) {
  uint64_t mask = lock_enter();
  struct chain *chain = table == 0 ? NULL : chain_of(table, object, key);
  struct entry **link = NULL, *entry = chain == NULL ? NULL : &chain->first;
  while (entry != NULL && (entry->object != object || entry->key != key || entry->field == NULL)) {
    link = &entry->next;
    entry = *link;
  }
  if (entry != NULL) end(chain, link);
  lock_leave(mask);
  return entry != NULL;
}

/** Ends the field if it is of this key; returns whether it was. */
static int end_if(struct chain *chain, struct entry **link, unsigned long key, void (*each)(void *, const void *)) {
  const struct entry *entry = link == NULL ? &chain->first : *link;
  if (entry->field == NULL || entry->key != key) return 0;
  if (each != NULL) each(entry->field, entry->object);
  end(chain, link);
  return 1;
}

long polus_shadow_free_all(unsigned long key, void (*each)(void *, const void *)) {
  uint64_t mask = lock_enter();
  long count = 0;
  for (size_t i = 0; i < size_of(table); i++) {
    struct chain *chain = &chains_in(table)[i];
    count += end_if(chain, NULL, key, each);
    for (struct entry **link = &chain->first.next; *link != NULL;) {
      if (end_if(chain, link, key, each)) count++;
      else link = &(*link)->next;
    }
  }
  lock_leave(mask);
  return count;
}
