/*
 * Shadow fields under stress: readers that take no lock, while fields are made, ended and made again, the table
 * grows, and signal handlers read.
 *
 *     shadow SECONDS
 */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "../../../native/runtime/shadow.h"
#include "loaded.h"
#include "under_stress.h"

enum { OBJECTS = 4096, LASTING = 512, KEY = 7, OTHER_KEY = 8 };

struct field {
  const void *owner;
  uint64_t check;
};

static __typeof__(polus_shadow) *get;
static __typeof__(polus_shadow_get) *make;
static __typeof__(polus_shadow_free) *end;
static __typeof__(polus_shadow_free_all) *end_all;

static char objects[OBJECTS][16];
static atomic_ulong broken, reads, changes, handled, seen;

static uint64_t check_of(const void *object, unsigned long key) { return (uint64_t)object * 31 ^ key; }

static void fill(void *field, const void *object, void *context) {
  struct field *it = field;
  if (it->owner != NULL) atomic_fetch_add(&broken, 1); /* it must come zeroed */
  it->owner = object;
  it->check = check_of(object, (unsigned long)context);
}

static int right(const struct field *field, const void *object, unsigned long key) {
  return field->owner == object && field->check == check_of(object, key);
}

/* The first ones are there for ever, and must always be found; of the others a reader may only ask whether they are. */
static void *reader(void *argument) {
  unsigned seed = (unsigned)(long)argument;
  while (!atomic_load(&stop)) {
    const char *object = objects[chance(&seed) % LASTING];
    const struct field *field = get(object, KEY);
    if (field == NULL || !right(field, object, KEY)) atomic_fetch_add(&broken, 1);
    if (get(objects[LASTING + chance(&seed) % (OBJECTS - LASTING)], OTHER_KEY) != NULL) atomic_fetch_add(&seen, 1);
    if (get(object + 1, KEY) != NULL) atomic_fetch_add(&broken, 1);
    atomic_fetch_add(&reads, 1);
  }
  return NULL;
}

static void *writer(void *argument) {
  long which = (long)argument;
  unsigned seed = (unsigned)which;
  while (!atomic_load(&stop)) {
    const char *object = objects[own_object(which, &seed, LASTING, OBJECTS)];
    struct field *field = get(object, OTHER_KEY);
    if (field == NULL) {
      field = make(object, OTHER_KEY, sizeof *field, fill, (void *)(uintptr_t)OTHER_KEY);
      if (field == NULL || make(object, OTHER_KEY, sizeof *field, NULL, NULL) != field) atomic_fetch_add(&broken, 1);
    } else {
      if (!right(field, object, OTHER_KEY) || end(object, OTHER_KEY) != 1) atomic_fetch_add(&broken, 1);
      if (get(object, OTHER_KEY) != NULL || end(object, OTHER_KEY) != 0) atomic_fetch_add(&broken, 1);
    }
    atomic_fetch_add(&changes, 1);
  }
  return NULL;
}

static void on_alarm(int number) {
  (void)number;
  const char *object = objects[atomic_fetch_add(&handled, 1) % LASTING];
  const struct field *field = get(object, KEY);
  if (field == NULL || !right(field, object, KEY)) atomic_fetch_add(&broken, 1);
}

static void count_one(void *field, const void *object) {
  if (!right(field, object, OTHER_KEY)) atomic_fetch_add(&broken, 1);
}

int main(int count, char **words) {
  (void)load_runtime();
  void *library = dlopen(getenv("POLUS_RUNTIME"), RTLD_NOW | RTLD_LOCAL);
  *(void **)&get = symbol_of(library, "polus_shadow");
  *(void **)&make = symbol_of(library, "polus_shadow_get");
  *(void **)&end = symbol_of(library, "polus_shadow_free");
  *(void **)&end_all = symbol_of(library, "polus_shadow_free_all");
  if (get(objects[0], KEY) != NULL || end(objects[0], KEY) != 0) return 4;
  for (int i = 0; i < LASTING; i++) make(objects[i], KEY, sizeof(struct field), fill, (void *)(uintptr_t)KEY);
  under_stress(count > 1 ? atoi(words[1]) : 2, reader, writer, on_alarm);
  long left = 0;
  for (int i = 0; i < OBJECTS; i++) left += get(objects[i], OTHER_KEY) != NULL;
  if (end_all(OTHER_KEY, count_one) != left || end_all(OTHER_KEY, NULL) != 0) atomic_fetch_add(&broken, 1);
  for (int i = 0; i < LASTING; i++) {
    const struct field *field = get(objects[i], KEY);
    if (field == NULL || !right(field, objects[i], KEY)) atomic_fetch_add(&broken, 1);
  }
  printf("reads %lu, changes %lu, handled %lu, seen %lu, left %ld, broken %lu\n", atomic_load(&reads), atomic_load(&changes),
         atomic_load(&handled), atomic_load(&seen), left, atomic_load(&broken));
  return atomic_load(&broken) == 0 && atomic_load(&changes) > 1000 && atomic_load(&handled) > 10 ? 0 : 1;
}
