#include "shadow.h"

#include "lock.h"
#include "memory.h"

/** A field; it stays one for ever, so that a reader that comes too late finds an entry, of whatever object. */
struct entry {
  struct entry *next;
  const void *object;
  unsigned long key;
  void *field;
  size_t size;
};

/** A chain, with a number that is odd while the chain changes and for ever once a larger table has taken over. */
struct chain {
  uint64_t version;
  struct entry *first;
};

struct table {
  size_t size; /* a power of two */
  struct chain chains[];
};

static struct table *table; /* older ones are kept: a reader may be in them */
static size_t fields;
static struct heap heap;
static struct entry *unused;

static struct chain *chain_of(struct table *in, const void *object, unsigned long key) {
  uint64_t hash = ((uint64_t)object / 8 ^ key * UINT64_C(0xff51afd7ed558ccd)) * UINT64_C(0x9e3779b97f4a7c15);
  return &in->chains[(hash >> 20) & (in->size - 1)];
}

static struct entry *find(struct chain *chain, const void *object, unsigned long key) {
  struct entry *entry = __atomic_load_n(&chain->first, __ATOMIC_ACQUIRE);
  /* A chain that changes under a reader may lead it into another one, but nowhere else; its length is bounded. */
  for (size_t steps = 0; entry != NULL && steps <= fields; steps++) {
    if (entry->object == object && entry->key == key) return entry;
    entry = __atomic_load_n(&entry->next, __ATOMIC_ACQUIRE);
  }
  return NULL;
}

void *polus_shadow(const void *object, unsigned long key) {
  for (;;) {
    struct table *now = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
    if (now == NULL) return NULL;
    struct chain *chain = chain_of(now, object, key);
    uint64_t before = __atomic_load_n(&chain->version, __ATOMIC_ACQUIRE);
    struct entry *entry = find(chain, object, key);
    void *field = entry == NULL ? NULL : __atomic_load_n(&entry->field, __ATOMIC_ACQUIRE);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    int same = before == __atomic_load_n(&chain->version, __ATOMIC_RELAXED) && before % 2 == 0;
    /* A handler that interrupted the change itself would wait for ever; at each of its steps the chain is whole. */
    if (same || lock_is_mine()) return field;
    __asm__ volatile("pause");
  }
}

static void change_begins(struct chain *chain) { (void)__atomic_add_fetch(&chain->version, 1, __ATOMIC_ACQ_REL); }
static void change_ends(struct chain *chain) { (void)__atomic_add_fetch(&chain->version, 1, __ATOMIC_RELEASE); }

static void put(struct chain *chain, struct entry *entry) {
  change_begins(chain);
  entry->next = chain->first;
  __atomic_store_n(&chain->first, entry, __ATOMIC_RELEASE);
  change_ends(chain);
}

static int grow(void) {
  size_t size = table == NULL ? 256 : table->size * 2;
  struct table *larger = pages_allocate(sizeof *larger + size * sizeof larger->chains[0]);
  if (larger == NULL) return table == NULL ? -1 : 0; /* long chains are slow, not wrong */
  larger->size = size;
  struct table *before = table;
  for (size_t i = 0; before != NULL && i < before->size; i++) change_begins(&before->chains[i]);
  for (size_t i = 0; before != NULL && i < before->size; i++) {
    for (struct entry *entry = before->chains[i].first, *next; entry != NULL; entry = next) {
      next = entry->next;
      put(chain_of(larger, entry->object, entry->key), entry);
    }
  }
  __atomic_store_n(&table, larger, __ATOMIC_RELEASE);
  return 0;
}

static struct entry *make(const void *object, unsigned long key, size_t size) {
  if ((table == NULL || fields >= table->size) && grow() < 0) return NULL;
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
  struct entry *entry = table == NULL ? NULL : find(chain_of(table, object, key), object, key);
  if (entry == NULL) {
    entry = make(object, key, size);
    if (entry != NULL) {
      if (initialise != NULL) initialise(entry->field, object, context);
      put(chain_of(table, object, key), entry);
      fields++;
    }
  }
  field = entry == NULL ? NULL : entry->field;
  lock_leave(mask);
  return field;
}

static void end(struct chain *chain, struct entry **link) {
  struct entry *entry = *link;
  change_begins(chain);
  __atomic_store_n(link, entry->next, __ATOMIC_RELEASE);
  heap_release(&heap, entry->field, entry->size);
  entry->object = NULL;
  entry->next = unused;
  unused = entry;
  fields--;
  change_ends(chain);
}

long polus_shadow_free(const void *object, unsigned long key) {
  uint64_t mask = lock_enter();
  struct chain *chain = table == NULL ? NULL : chain_of(table, object, key);
  struct entry **link = chain == NULL ? NULL : &chain->first;
  while (link != NULL && *link != NULL && ((*link)->object != object || (*link)->key != key)) link = &(*link)->next;
  long found = link != NULL && *link != NULL;
  if (found) end(chain, link);
  lock_leave(mask);
  return found;
}

long polus_shadow_free_all(unsigned long key, void (*each)(void *, const void *)) {
  uint64_t mask = lock_enter();
  long count = 0;
  for (size_t i = 0; table != NULL && i < table->size; i++) {
    struct chain *chain = &table->chains[i];
    for (struct entry **link = &chain->first; *link != NULL;) {
      if ((*link)->key != key) {
        link = &(*link)->next;
        continue;
      }
      if (each != NULL) each((*link)->field, (*link)->object);
      end(chain, link);
      count++;
    }
  }
  lock_leave(mask);
  return count;
}
