/* The entry points: sets, their items, and what is done with them step by step. */
#include "polus_runtime.h"

#include "arena.h"
#include "coherence.h"
#include "execute.h"
#include "fields.h"
#include "fault.h"
#include "gates.h"
#include "guard.h"
#include "hooks.h"
#include "lock.h"
#include "map.h"
#include "pages.h"
#include "pending.h"
#include "stops.h"
#include "vectors.h"

struct polus_control polus_control = {.magic = POLUS_RUNTIME_MAGIC, .layout = POLUS_RUNTIME_LAYOUT};

/** How far a set has come with what `begin` or `end` started. */
struct progress {
  uint32_t item; /* the item that it is at … */
  uint32_t opening; /* `end`: 0 while stores are let go, 1 while pages are opened */
  struct object *object; /* … and the object, NULL: the item's first */
  uint32_t keep;
  uint32_t within; /* `object` says where to go on */
};

static struct progress progress[POLUS_MOST_SETS];
static uint32_t item_count;
uint32_t polus_coexisting;

static int coexists(uint32_t state) { return state == POLUS_SET_CONVERTING || state == POLUS_SET_COHERENT; }

static void set_state(struct polus_set_status *status, uint32_t state) {
  polus_coexisting += (uint32_t)coexists(state) - (uint32_t)coexists(status->state);
  status->state = state;
  hooks_weigh();
}

static struct polus_set_status *status_of(long set) {
  if (set < 0 || set >= POLUS_MOST_SETS) return NULL;
  struct polus_set_status *status = &polus_control.sets[set];
  return status->state == POLUS_SET_FREE ? NULL : status;
}

static struct item *item_of(long number) {
  return number < 0 || number >= (long)item_count || !items[number].used ? NULL : &items[number];
}

long polus_runtime_start(unsigned long hwcap2) {
  long result = 0;
  if (polus_control.started) return 0;
  lock_start((hwcap2 & 2) != 0);
  uint64_t mask = lock_enter();
  if (!polus_control.started) {
    vectors_start();
    result = coherence_start();
    if (result == 0) {
      int code = polus_execute_start();
      result = code < 0 ? POLUS_FAULT_KERNEL + code : fault_start();
    }
    if (result == 0) polus_control.started = 1;
  }
  lock_leave(mask);
  return result;
}

long polus_runtime_set(void) {
  long result = POLUS_FAULT_MEMORY;
  if (!polus_control.started) return POLUS_FAULT_STARTED;
  uint64_t mask = lock_enter();
  for (long set = 0; set < POLUS_MOST_SETS && result < 0; set++) {
    struct polus_set_status *status = &polus_control.sets[set];
    if (status->state != POLUS_SET_FREE) continue;
    *status = (struct polus_set_status){.state = POLUS_SET_GATHERING};
    result = set;
  }
  lock_leave(mask);
  return result;
}

long polus_runtime_item(long set, size_t old_size, size_t new_size, polus_transfer *forward, polus_transfer *backward) {
  const struct polus_set_status *status = status_of(set);
  if (status == NULL || status->state != POLUS_SET_GATHERING) return POLUS_FAULT_SET;
  if (old_size == 0 || new_size == 0 || old_size > LARGEST_OBJECT || new_size > LARGEST_OBJECT) return POLUS_FAULT_ITEM;
  uint64_t mask = lock_enter();
  long number = 0;
  while (number < (long)item_count && items[number].used) number++;
  if (number == MOST_ITEMS) {
    number = POLUS_FAULT_MEMORY;
  } else {
    if (number == (long)item_count) item_count++;
    items[number] = (struct item){(uint32_t)set, 1, {(uint32_t)old_size, (uint32_t)new_size}, {forward, backward}, NULL, NULL, {NULL, NULL}, {0, 0}};
  }
  lock_leave(mask);
  return number;
}

long polus_runtime_fields(long number, size_t old_count, size_t new_count) {
  enum { MOST_FIELDS = 4096 };
  struct item *item = item_of(number);
  if (item == NULL || old_count > MOST_FIELDS || new_count > MOST_FIELDS) return POLUS_FAULT_ITEM;
  if (polus_control.sets[item->set].state != POLUS_SET_GATHERING) return POLUS_FAULT_SET;
  uint64_t mask = lock_enter();
  long result = fields_make(item, (const size_t[]){old_count, new_count});
  lock_leave(mask);
  return result;
}

/* Whether an object that is made known, with the copy of side `from` as the truth, is guarded at once. */
static int guards_now(long set, unsigned from) {
  const struct polus_set_status *status = &polus_control.sets[set];
  const struct progress *at = &progress[set];
  if (status->state != POLUS_SET_CONVERTING) return status->state == POLUS_SET_COHERENT;
  /* Nothing is converted before all twins are there, to which pointers are to be translated. */
  if (pending_any()) return 0;
  /*
   * Before the first object is, the engine still looks for system calls that would store to what is guarded. One that
   * is made as the other version has it cannot wait: it would be taken for a stale copy.
   */
  return at->within || at->item > 0 || from != status->from;
}

static void forget(struct object *object) {
  struct polus_set_status *status = status_of(items[object->item].set);
  struct progress *at = &progress[items[object->item].set];
  if (at->within && at->object == object) at->object = object->next;
  unguard_object(object);
  for (unsigned side = POLUS_OLD; side <= POLUS_NEW; side++) {
    (void)revive_copy(object, side);
    (void)open_copy(object, side, 0);
    uint32_t arena = side == POLUS_OLD ? OBJECT_ARENA : OBJECT_ARENA_NEW;
    if (object->flags & arena) arena_release(object->at[side], object_size(object, side));
  }
  status->objects--;
  map_remove(object);
}

/* The side whose copies alone live on, or are about to; -1: both do, or that is not decided. */
static long survivor(long set) {
  switch (polus_control.sets[set].state) {
    case POLUS_SET_OLD: return POLUS_OLD;
    case POLUS_SET_NEW: return POLUS_NEW;
    case POLUS_SET_LIFTING: return (long)progress[set].keep;
    default: return -1;
  }
}

static long enter(long number, uint64_t old_at, uint64_t new_at, uint32_t flags, unsigned from) {
  struct polus_set_status *status = status_of(items[number].set);
  struct object *object;
  long result = map_add((uint32_t)number, old_at, new_at, &object);
  if (result < 0) return result;
  object->flags = flags;
  status->objects++;
  if (guards_now(items[number].set, from)) result = guard_object(object, from);
  /* One that is made as the version that lives no more has it: the other copy is what counts from now on. */
  else if (survivor(items[number].set) == (long)(1 - from)) coherent_convert(object, from);
  if (result < 0) forget(object);
  return result;
}

long polus_runtime_pair(long number, void *old_object, void *new_object) {
  if (item_of(number) == NULL) return POLUS_FAULT_ITEM;
  uint64_t mask = lock_enter();
  long result = enter(number, (uint64_t)old_object, (uint64_t)new_object, 0, POLUS_OLD);
  lock_leave(mask);
  return result;
}

static int is_known(long number, uint64_t at, unsigned side) {
  uint32_t count;
  const struct copy *copies = copies_at(at, &count);
  for (uint32_t i = 0; i < count; i++) {
    if (copies[i].object->item == (uint32_t)number && copies[i].side == side) return 1;
  }
  return 0;
}

/* An object whose other copy comes from the arena. */
static long add(long number, void *known, unsigned side) {
  const struct item *item = item_of(number);
  if (item == NULL) return POLUS_FAULT_ITEM;
  if (known == NULL || is_known(number, (uint64_t)known, side)) return 0;
  unsigned other = 1 - side;
  uint64_t at[2], twin = arena_allocate(item->size[other]);
  if (twin == 0) return POLUS_FAULT_MEMORY;
  at[side] = (uint64_t)known;
  at[other] = twin;
  struct page *home = page_of(twin);
  long result = home != NULL && home->state == PAGE_RETIRED ? page_revive(home) : 0;
  if (result == 0) coherent_clear(twin, item->size[other]);
  uint32_t flags = other == POLUS_NEW ? OBJECT_ARENA_NEW : OBJECT_ARENA;
  if (result == 0) result = enter(number, at[POLUS_OLD], at[POLUS_NEW], flags, side);
  if (result < 0) arena_release(twin, item->size[other]);
  return result;
}

static long add_one(long item, void *known, unsigned side) {
  uint64_t mask = lock_enter();
  long result = add(item, known, side);
  if (result == 0) pending_known(known);
  lock_leave(mask);
  return result;
}

long polus_runtime_add(long item, void *old_object) { return add_one(item, old_object, POLUS_OLD); }

long polus_runtime_add_new(long item, void *new_object) { return add_one(item, new_object, POLUS_NEW); }

void *polus_adopt(void *object, const void *forward) {
  void *found = polus_copy_by(object, forward);
  if (object == NULL || found != NULL) return found;
  for (uint32_t i = 0; i < item_count; i++) {
    if (!items[i].used || (const void *)items[i].transfer[POLUS_OLD] != forward) continue;
    return polus_runtime_add((long)i, object) < 0 ? NULL : polus_copy_by(object, forward);
  }
  return NULL;
}

void polus_runtime_visit(void *object, void *context) {
  const struct item *item = item_of((long)context);
  struct polus_set_status *status = item == NULL ? NULL : status_of(item->set);
  if (status == NULL || object == NULL || pending_add((long)context, object) == 0) return;
  if (status->fault == 0) status->fault = POLUS_FAULT_MEMORY;
}

/* The usual case: what is freed is an object of the program's that is none of ours. */
static int surely_unknown(const void *known) {
  struct sighting one;
  /* What waits to be made known leaves that state after it is known. */
  return !pending_any() && map_sight(map_version(), (uint64_t)known, 0, &one) == 0;
}

long polus_runtime_remove(void *known) {
  if (surely_unknown(known)) return 0;
  uint64_t mask = lock_enter();
  long found = 0;
  pending_freed(known);
  for (struct object *object; (object = object_at((uint64_t)known, NULL)) != NULL; found = 1) forget(object);
  lock_leave(mask);
  return found;
}

void *polus_runtime_disown(void *known) {
  if (surely_unknown(known)) return known;
  unsigned side;
  uint64_t mask = lock_enter();
  uint64_t own = (uint64_t)known;
  pending_freed(known);
  /* Of two updates on top of each other, the upper one's old copy is the lower one's new one. */
  for (struct object *object; (object = object_at(own, &side)) != NULL;) {
    uint32_t from_arena = side == POLUS_OLD ? OBJECT_ARENA : OBJECT_ARENA_NEW;
    if (object->flags & from_arena) own = object->at[1 - side];
    forget(object);
  }
  lock_leave(mask);
  return (void *)own;
}

void polus_runtime_forget(const void *at, size_t size) {
  if (!map_may_know(at, size)) return;
  uint64_t start = (uint64_t)at, end = start + size;
  uint64_t mask = lock_enter();
  for (uint64_t number = start / PAGE_SIZE; size > 0 && number <= (end - 1) / PAGE_SIZE; number++) {
    for (const struct page *page; (page = page_of(number * PAGE_SIZE)) != NULL && page->count > 0;) {
      forget(page->copies[0].object);
    }
  }
  lock_leave(mask);
}

static void rewind(long set, uint32_t opening, uint32_t keep) {
  progress[set] = (struct progress){.opening = opening, .keep = keep};
  polus_control.sets[set].done = 0;
}

long polus_runtime_begin(long set, long from) {
  struct polus_set_status *status = status_of(set);
  if (status == NULL || (from != POLUS_OLD && from != POLUS_NEW)) return POLUS_FAULT_SET;
  uint64_t mask = lock_enter();
  uint32_t live = from == POLUS_OLD ? POLUS_SET_OLD : POLUS_SET_NEW;
  int may = status->state == live || (status->state == POLUS_SET_GATHERING && from == POLUS_OLD);
  if (may) {
    rewind(set, 0, 0);
    status->from = (uint32_t)from;
    set_state(status, POLUS_SET_CONVERTING);
  }
  lock_leave(mask);
  return may ? 0 : POLUS_FAULT_SET;
}

long polus_runtime_end(long set, long keep) {
  struct polus_set_status *status = status_of(set);
  if (status == NULL || (keep != POLUS_OLD && keep != POLUS_NEW)) return POLUS_FAULT_SET;
  uint64_t mask = lock_enter();
  /* A conversion that is not finished can only be taken back. */
  int may = status->state == POLUS_SET_COHERENT || (status->state == POLUS_SET_CONVERTING && keep == (long)status->from);
  if (may) {
    rewind(set, 0, (uint32_t)keep);
    set_state(status, POLUS_SET_LIFTING);
  }
  lock_leave(mask);
  return may ? 0 : POLUS_FAULT_SET;
}

/* The object that the set is at, in the order of items; NULL at the end. */
static struct object *current_object(long set) {
  struct progress *at = &progress[set];
  for (; at->item < item_count; at->item++, at->within = 0) {
    const struct item *item = &items[at->item];
    if (!item->used || item->set != (uint32_t)set) continue;
    if (!at->within) {
      at->within = 1;
      at->object = item->first;
    }
    if (at->object != NULL) return at->object;
  }
  return NULL;
}

static long work_on(const struct progress *at, uint32_t state, uint32_t from, struct object *object) {
  if (state == POLUS_SET_CONVERTING) return guard_object(object, from);
  if (!at->opening) {
    unguard_object(object);
    return 0;
  }
  long result = open_copy(object, at->keep, 0);
  return result < 0 ? result : open_copy(object, 1 - at->keep, 1);
}

/* Makes one of the objects known that `each` functions have named. 1 if there was one. */
static long add_pending(void) {
  struct pending next;
  if (!pending_take(&next)) return 0;
  if (item_of(next.item) == NULL) return 1;
  struct polus_set_status *status = status_of(items[next.item].set);
  long result = add(next.item, next.object, POLUS_OLD);
  if (result < 0 && status->fault == 0) status->fault = result;
  return result < 0 ? result : 1;
}

/* The last object of a pass is behind us. Returns 1 if another pass follows. */
static int finish_pass(long set) {
  struct polus_set_status *status = &polus_control.sets[set];
  struct progress *at = &progress[set];
  if (status->state == POLUS_SET_CONVERTING) {
    set_state(status, POLUS_SET_COHERENT);
    return 0;
  }
  if (!at->opening) {
    rewind(set, 1, at->keep);
    return 1;
  }
  status->state = at->keep == POLUS_OLD ? POLUS_SET_OLD : POLUS_SET_NEW;
  return 0;
}

/** What a slice is for. */
enum purpose {
  TO_READY, /* what was visited is made known, and nothing guarded */
  TO_END,   /* what `begin` or `end` started */
};

/* Functions of a patch run, the rest of the work is our own. */
static enum stops wanted_stops(long set, enum purpose purpose) {
  uint32_t state = polus_control.sets[set].state;
  if (purpose == TO_READY) return STOPS_OFF;
  if (state != POLUS_SET_CONVERTING) return state == POLUS_SET_COHERENT ? STOPS_ON : STOPS_OFF;
  if (pending_any()) return STOPS_OFF;
  struct object *object = current_object(set);
  return object != NULL && guard_lacks(object) ? STOPS_OFF : STOPS_ON;
}

/* One object further. 1 if there is more to do, 0 at the end. */
static long work(long set, enum purpose purpose, enum stops stops) {
  struct polus_set_status *status = &polus_control.sets[set];
  struct progress *at = &progress[set];
  /* A set that is coherent takes what has been visited since. */
  int coherent = status->state == POLUS_SET_COHERENT, converting = status->state == POLUS_SET_CONVERTING;
  if (!coherent && !converting && status->state != POLUS_SET_LIFTING) return 0;
  long result = coherent || converting ? add_pending() : 0;
  if (result != 0 || coherent || purpose == TO_READY) return result;
  struct object *object = current_object(set);
  if (object == NULL) return finish_pass(set);
  if (converting && stops == STOPS_OFF) {
    result = guard_pages(object);
  } else {
    at->object = object->next; /* before functions of a patch run, which may free this one */
    result = work_on(at, status->state, status->from, object);
    if (result == 0) status->done++;
  }
  return result < 0 ? result : 1;
}

enum { AT_ONCE = 32, CYCLES_IN_A_MICROSECOND = 2000 };

static uint64_t cycles(void) { return __builtin_ia32_rdtsc(); }

static enum stops change_stops(enum stops from, enum stops to) {
  if (from == to) return to;
  lock_release();
  stops_set(to);
  lock_acquire();
  return to;
}

static long slice(long set, long microseconds, enum purpose purpose) {
  if (status_of(set) == NULL) return POLUS_FAULT_SET;
  uint64_t start = cycles(), budget = (uint64_t)microseconds * CYCLES_IN_A_MICROSECOND;
  enum stops stops = STOPS_ON;
  long result = 1;
  /* Signals stay blocked for all of it: under a tracer each system call takes as long as hundreds of objects. */
  uint64_t mask = lock_enter();
  for (;;) {
    stops = change_stops(stops, wanted_stops(set, purpose));
    for (int i = 0; i < AT_ONCE && result == 1 && stops == wanted_stops(set, purpose); i++) {
      result = work(set, purpose, stops);
    }
    if (result != 1 || cycles() - start > budget) break;
    /* Threads whose stores are caught wait for the lock no longer than for a few objects. */
    lock_breathe();
  }
  (void)change_stops(stops, STOPS_ON);
  lock_leave(mask);
  return result;
}

long polus_runtime_ready(long set, long microseconds) { return slice(set, microseconds, TO_READY); }

long polus_runtime_step(long set, long microseconds) { return slice(set, microseconds, TO_END); }

long polus_runtime_drop(long set) {
  struct polus_set_status *status = status_of(set);
  if (status == NULL || (status->state != POLUS_SET_GATHERING && status->state != POLUS_SET_OLD)) return POLUS_FAULT_SET;
  uint64_t mask = lock_enter();
  for (uint32_t i = 0; i < item_count; i++) {
    struct item *item = &items[i];
    if (!item->used || item->set != (uint32_t)set) continue;
    while (item->first != NULL) forget(item->first);
    pending_drop(i);
    fields_drop(item);
    item->used = 0;
  }
  status->state = POLUS_SET_FREE;
  lock_leave(mask);
  return 0;
}

long retired_page_touched(struct page *page, uint64_t address) {
  /* Somebody still uses the stale copy: coexistence begins again, for what lies in this page. */
  long result = page_revive(page);
  for (uint32_t i = 0; i < page->count && result == 0; i++) {
    struct object *object = page->copies[i].object;
    struct polus_set_status *status = status_of(items[object->item].set);
    if (i == 0) {
      status->stray++;
      status->stray_at = address;
    }
    result = guard_object(object, 1 - page->copies[i].side);
    if (status->state != POLUS_SET_LIFTING) set_state(status, POLUS_SET_COHERENT);
  }
  return result;
}

static uint64_t fork_mask; /* of the thread that forks */

long polus_runtime_before_fork(void) {
  uint64_t mask = lock_enter();
  long result = pages_before_fork();
  if (result < 0) lock_leave(mask);
  else fork_mask = mask;
  return result;
}

void polus_runtime_after_fork(long child) {
  pages_after_fork(child != 0);
  if (child != 0 && polus_execute_fork() < 0) polus_control.damage = (uint64_t)POLUS_FAULT_MEMORY;
  if (child != 0) {
    lock_after_fork();
    gates_after_fork();
    polus_control.forked++;
  }
  lock_leave(fork_mask);
}

static int is_guarded(const struct page *page) { return page->state == PAGE_GUARDED; }

static int is_concerned(const struct page *page) {
  for (uint32_t i = 0; i < page->count; i++) {
    if (polus_control.sets[items[page->copies[i].object->item].set].state == POLUS_SET_CONVERTING) return 1;
  }
  return is_guarded(page);
}

static long any_page(const void *at, size_t size, int (*of)(const struct page *)) {
  uint64_t first = (uint64_t)at / PAGE_SIZE, last = ((uint64_t)at + (size == 0 ? 0 : size - 1)) / PAGE_SIZE;
  long result = 0;
  if (!map_may_know(at, size)) return 0;
  uint64_t mask = lock_enter();
  for (uint64_t number = first; number <= last && !result; number++) {
    const struct page *page = page_of(number * PAGE_SIZE);
    result = page != NULL && of(page);
  }
  lock_leave(mask);
  return result;
}

long polus_runtime_guards(const void *at, size_t size) {
  return polus_control.guarded_pages == 0 ? 0 : any_page(at, size, is_guarded);
}

long polus_runtime_concerns(const void *at, size_t size) {
  return nothing_is_guarded() ? 0 : any_page(at, size, is_concerned);
}

void polus_runtime_store(void *at, const void *bytes, size_t size) {
  uint64_t mask = lock_enter();
  for (uint64_t number = (uint64_t)at / PAGE_SIZE; size > 0 && number <= ((uint64_t)at + size - 1) / PAGE_SIZE; number++) {
    struct page *page = page_of(number * PAGE_SIZE);
    if (page != NULL && page->state == PAGE_RETIRED) (void)retired_page_touched(page, (uint64_t)at);
  }
  (void)coherent_store((uint64_t)at, bytes, size);
  lock_leave(mask);
}

static struct heap authors; /* what transfer functions allocate */

void *polus_allocate(size_t size) {
  uint64_t mask = lock_enter();
  size_t *at = heap_allocate(&authors, size + 16);
  if (at != NULL) *at = size;
  lock_leave(mask);
  return at == NULL ? NULL : at + 2;
}

void polus_release(void *object) {
  if (object == NULL) return;
  uint64_t mask = lock_enter();
  size_t *at = (size_t *)object - 2;
  heap_release(&authors, at, *at + 16);
  lock_leave(mask);
}
