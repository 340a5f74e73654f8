/*
 * Which objects lie where: items, objects, and the pages that hold their copies. Under the lock only, but for what is
 * said to be for everybody: what a program calls for each of its calls, with or without an update to complete, must
 * not block signals first, which takes two system calls.
 */
#ifndef POLUS_MAP_H
#define POLUS_MAP_H

#include "memory.h"
#include "polus_runtime.h"

enum { MOST_ITEMS = 4096, LARGEST_OBJECT = 1 << 20 };

struct item {
  uint32_t set;
  uint32_t used;
  uint32_t size[2]; /* by side */
  polus_transfer *transfer[2]; /* by the side that it goes from */
  struct object *first, *last;
  /* What both transfer functions merely copy, by the side that it is stored to, in order (fields.h). */
  struct polus_field *fields[2];
  uint32_t field_count[2];
};

enum object_flags {
  OBJECT_COHERENT = 1,  /* both copies are guarded, a store to one is carried over */
  OBJECT_ARENA = 2,     /* the copy of side 0 is from the arena; */
  OBJECT_ARENA_NEW = 4, /* … of side 1 */
};

struct object {
  uint64_t at[2]; /* by side */
  struct object *next, *previous; /* in its item, in order of arrival */
  uint32_t item;
  uint32_t flags;
};

/** One copy of an object, as a page knows it. */
struct copy {
  uint64_t at;
  struct object *object;
  uint32_t side;
  uint32_t size;
};

enum page_state {
  PAGE_PLAIN = 0,
  PAGE_GUARDED, /* read-only, backed by shared memory; `alias` is the same memory, writable */
  PAGE_RETIRED, /* inaccessible: all that lies in it is stale */
};

struct page {
  uint64_t number; /* address / PAGE_SIZE */
  struct page *next; /* in its bucket */
  struct copy *copies; /* sorted by address; one that began on an earlier page comes first */
  uint32_t count, room;
  uint32_t guards; /* copies of coherent objects */
  uint32_t state;
  uint8_t *alias;
};

extern struct item items[MOST_ITEMS];

static inline size_t object_size(const struct object *object, unsigned side) {
  return items[object->item].size[side];
}

/** The page of this address if any object is known on it. */
struct page *page_of(uint64_t address);

/** The first copy in the page that ends after `at`; `page->count` if there is none. */
uint32_t first_copy(const struct page *page, uint64_t at);

/** The copies that begin at exactly this address, one for each set that has one, the newest first; NULL. */
const struct copy *copies_at(uint64_t address, uint32_t *count);

/** The object that has a copy at exactly this address, and its side; NULL. */
struct object *object_at(uint64_t address, unsigned *side);

/** For everybody: a number that is even, and larger with each change of what is known; odd while it changes. */
uint64_t map_version(void);

/** For everybody: whether nothing has changed since, so that all that was seen held together. */
int map_holds(uint64_t version);

/** A copy that begins at an address, of an object. */
struct sighting {
  uint64_t at[2]; /* by side */
  uint32_t item, side;
};

/**
 * For everybody: the `index`th of the copies that begin at exactly this address, the newest first. Returns 1, 0 where
 * there are no more of them, or -1 if something has changed since `version`.
 */
int map_sight(uint64_t version, uint64_t address, uint32_t index, struct sighting *result);

/** For everybody: 0 if it is certain that no object is known on any page of these bytes. */
int map_may_know(const void *at, size_t size);

/** Makes a new object known. 0, or a polus_fault; then nothing has changed. */
long map_add(uint32_t item, uint64_t old_at, uint64_t new_at, struct object **result);

/** Forgets an object; its pages must not be guarded for it any more. */
void map_remove(struct object *object);

/** Pages of an object's copy: `for (n = first; n <= last; n++)`. */
static inline uint64_t first_page(const struct object *object, unsigned side) { return object->at[side] / PAGE_SIZE; }
static inline uint64_t last_page(const struct object *object, unsigned side) {
  return (object->at[side] + object_size(object, side) - 1) / PAGE_SIZE;
}

#endif
