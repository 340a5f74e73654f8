#include "pages.h"

#include "hooks.h"
#include "syscalls.h"

enum { SLOTS = 1024 };

/** Shared memory for as many pages. Slots are given out in order, so that neighbours merge in the kernel. */
struct chunk {
  struct chunk *next;
  uint8_t *alias; /* writable */
  uint8_t *image; /* read-only; pages are made from it by mremap(2) with an old size of 0 */
  uint32_t given, freed;
  uint64_t owner[SLOTS]; /* number of the page that lies in the slot; 0 */
};

static struct chunk *chunks; /* the newest first: it has the free slots */
static uint8_t *snapshot; /* what the guarded pages held before a fork */
static size_t snapshot_size;

static void *address_of(uint64_t number) { return (void *)(number * PAGE_SIZE); }

/* The same memory again, at `to`. */
static long share(uint8_t *image, size_t size, void *to) {
  return polus_mremap(image, 0, size, POLUS_MREMAP_MAYMOVE | POLUS_MREMAP_FIXED, to);
}

static long map_chunk(uint8_t *alias, uint8_t *image, int fixed) {
  size_t size = (size_t)SLOTS * PAGE_SIZE;
  int flags = POLUS_MAP_SHARED | POLUS_MAP_ANONYMOUS | (fixed ? POLUS_MAP_FIXED : 0);
  long at = polus_mmap(alias, size, POLUS_PROT_READ | POLUS_PROT_WRITE, flags, -1, 0);
  if (polus_failed(at)) return at;
  long result = share((uint8_t *)at, size, image);
  if (!polus_failed(result)) result = polus_mprotect(image, size, POLUS_PROT_READ);
  return polus_failed(result) ? result : at;
}

static struct chunk *new_chunk(void) {
  struct chunk *chunk = pages_allocate(sizeof *chunk);
  uint8_t *image = pages_allocate((size_t)SLOTS * PAGE_SIZE);
  if (chunk != NULL && image != NULL) {
    long at = map_chunk(NULL, image, 0);
    if (!polus_failed(at)) {
      chunk->alias = (uint8_t *)at;
      chunk->image = image;
      chunk->next = chunks;
      return chunks = chunk;
    }
  }
  if (image != NULL) pages_release(image, (size_t)SLOTS * PAGE_SIZE);
  if (chunk != NULL) pages_release(chunk, sizeof *chunk);
  return NULL;
}

static void free_slot(const uint8_t *alias) {
  for (struct chunk **link = &chunks; *link != NULL; link = &(*link)->next) {
    struct chunk *chunk = *link;
    if (alias < chunk->alias || alias >= chunk->alias + (size_t)SLOTS * PAGE_SIZE) continue;
    chunk->owner[(alias - chunk->alias) / PAGE_SIZE] = 0;
    if (++chunk->freed < chunk->given) return;
    *link = chunk->next;
    pages_release(chunk->alias, (size_t)SLOTS * PAGE_SIZE);
    pages_release(chunk->image, (size_t)SLOTS * PAGE_SIZE);
    pages_release(chunk, sizeof *chunk);
    return;
  }
}

static long guard_run(struct chunk *chunk, uint64_t first, size_t count) {
  uint8_t *at = address_of(first);
  size_t size = count * PAGE_SIZE, offset = (size_t)chunk->given * PAGE_SIZE;
  long result = polus_mprotect(at, size, POLUS_PROT_READ);
  if (polus_failed(result)) return POLUS_FAULT_KERNEL + result;
  memcpy(chunk->alias + offset, at, size);
  result = share(chunk->image + offset, size, at);
  if (polus_failed(result)) {
    (void)polus_mprotect(at, size, POLUS_PROT_READ | POLUS_PROT_WRITE);
    return POLUS_FAULT_KERNEL + result;
  }
  for (size_t i = 0; i < count; i++, offset += PAGE_SIZE) {
    struct page *page = page_of((first + i) * PAGE_SIZE);
    page->state = PAGE_GUARDED;
    page->alias = chunk->alias + offset;
    chunk->owner[chunk->given++] = first + i;
  }
  polus_control.guarded_pages += count;
  hooks_weigh();
  return 0;
}

long pages_guard(uint64_t first, size_t count) {
  for (size_t done = 0; done < count;) {
    struct chunk *chunk = chunks != NULL && chunks->given < SLOTS ? chunks : new_chunk();
    size_t run = count - done;
    if (chunk != NULL && run > SLOTS - chunk->given) run = SLOTS - chunk->given;
    long fault = chunk == NULL ? POLUS_FAULT_MEMORY : guard_run(chunk, first + done, run);
    if (fault < 0) {
      if (done > 0) (void)pages_open(first, done);
      return fault;
    }
    done += run;
  }
  return 0;
}

static long make_private(uint64_t first, size_t count, int protection) {
  size_t size = count * PAGE_SIZE;
  uint8_t *aside = pages_allocate(size);
  if (aside == NULL) return POLUS_FAULT_MEMORY;
  memcpy(aside, address_of(first), size);
  long result = 0;
  if (protection != (POLUS_PROT_READ | POLUS_PROT_WRITE)) result = polus_mprotect(aside, size, protection);
  if (!polus_failed(result)) {
    result = polus_mremap(aside, size, size, POLUS_MREMAP_MAYMOVE | POLUS_MREMAP_FIXED, address_of(first));
  }
  if (polus_failed(result)) {
    pages_release(aside, size);
    return POLUS_FAULT_KERNEL + result;
  }
  for (size_t i = 0; i < count; i++) {
    struct page *page = page_of((first + i) * PAGE_SIZE);
    free_slot(page->alias);
    page->alias = NULL;
    page->state = protection == POLUS_PROT_NONE ? PAGE_RETIRED : PAGE_PLAIN;
  }
  polus_control.guarded_pages -= count;
  hooks_weigh();
  return 0;
}

long pages_open(uint64_t first, size_t count) {
  return make_private(first, count, POLUS_PROT_READ | POLUS_PROT_WRITE);
}

long pages_retire(uint64_t first, size_t count) { return make_private(first, count, POLUS_PROT_NONE); }

long page_revive(struct page *page) {
  long result = polus_mprotect(address_of(page->number), PAGE_SIZE, POLUS_PROT_READ | POLUS_PROT_WRITE);
  if (polus_failed(result)) return POLUS_FAULT_KERNEL + result;
  page->state = PAGE_PLAIN;
  return 0;
}

long pages_before_fork(void) {
  snapshot_size = 0;
  for (struct chunk *chunk = chunks; chunk != NULL; chunk = chunk->next) {
    snapshot_size += (size_t)chunk->given * PAGE_SIZE;
  }
  if (snapshot_size == 0) return 0;
  snapshot = pages_allocate(snapshot_size);
  if (snapshot == NULL) return POLUS_FAULT_MEMORY;
  uint8_t *to = snapshot;
  for (struct chunk *chunk = chunks; chunk != NULL; chunk = chunk->next) {
    memcpy(to, chunk->alias, (size_t)chunk->given * PAGE_SIZE);
    to += (size_t)chunk->given * PAGE_SIZE;
  }
  return 0;
}

/* Each run of slots whose pages follow one another in memory, too. */
static void share_again(const struct chunk *chunk) {
  for (uint32_t slot = 0; slot < chunk->given;) {
    uint32_t run = 1;
    if (chunk->owner[slot] == 0) {
      slot++;
      continue;
    }
    while (slot + run < chunk->given && chunk->owner[slot + run] == chunk->owner[slot] + run) run++;
    long result = share(chunk->image + (size_t)slot * PAGE_SIZE, (size_t)run * PAGE_SIZE, address_of(chunk->owner[slot]));
    if (polus_failed(result)) polus_control.damage = (uint64_t)(POLUS_FAULT_KERNEL + result);
    slot += run;
  }
}

void pages_after_fork(int child) {
  if (snapshot == NULL) return;
  const uint8_t *from = snapshot;
  for (struct chunk *chunk = chunks; child && chunk != NULL; chunk = chunk->next) {
    long at = map_chunk(chunk->alias, chunk->image, 1);
    if (polus_failed(at)) {
      polus_control.damage = (uint64_t)(POLUS_FAULT_KERNEL + at);
      continue;
    }
    memcpy(chunk->alias, from, (size_t)chunk->given * PAGE_SIZE);
    from += (size_t)chunk->given * PAGE_SIZE;
    share_again(chunk);
  }
  pages_release(snapshot, snapshot_size);
  snapshot = NULL;
}
