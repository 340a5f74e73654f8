/* hazards NAME: runs one case; hazards: lists their names. Exit code 0: everything held. */
#include "hazards.h"

#include <string.h>
#include <sys/mman.h>

struct runtime runtime;
static unsigned char memory[3 * PAGE] __attribute__((aligned(PAGE)));
unsigned char *const pages = memory;
static int failures;

void check_that(int holds, const char *what, int line) {
  if (holds) return;
  if (++failures <= 10) fprintf(stderr, "line %d: %s does not hold\n", line, what);
}

static void up(const void *from, void *to) {
  const struct item *old = from;
  struct item_v2 *new = to;
  new->count = old->count, new->limit = old->limit, new->total = old->total;
  memcpy(new->name, old->name, sizeof old->name);
  memcpy(new->bytes, old->bytes, sizeof old->bytes);
}

static void down(const void *from, void *to) {
  const struct item_v2 *new = from;
  struct item *old = to;
  old->count = (int)new->count, old->limit = (int)new->limit, old->total = new->total;
  memcpy(old->name, new->name, sizeof old->name);
  memcpy(old->bytes, new->bytes, sizeof old->bytes);
}

struct item_v2 *make_coherent(struct item *old, long *set) {
  *set = good(runtime.set(), "set");
  long item = ADD_ITEM(&runtime, *set, sizeof(struct item), sizeof(struct item_v2), up, down);
  good(runtime.add(item, old), "add");
  good(runtime.begin(*set, POLUS_OLD), "begin");
  finish(&runtime, *set);
  return runtime.twin_of(old);
}

void take_back(long set) {
  good(runtime.end(set, POLUS_OLD), "end");
  finish(&runtime, set);
  good(runtime.drop(set), "drop");
}

int agree(const volatile struct item *old, const volatile struct item_v2 *new) {
  for (unsigned i = 0; i < sizeof old->name; i++) {
    if (old->name[i] != new->name[i]) return 0;
  }
  for (unsigned i = 0; i < sizeof old->bytes; i++) {
    if (old->bytes[i] != new->bytes[i]) return 0;
  }
  return old->count == new->count && old->limit == new->limit && old->total == new->total;
}

int main(int count, char **words) {
  const struct hazard *const lists[] = {stores, lives};
  for (unsigned i = 0; i < 2; i++) {
    for (const struct hazard *one = lists[i]; one->name != NULL; one++) {
      if (count < 2) puts(one->name);
      if (count < 2 || strcmp(words[1], one->name) != 0) continue;
      runtime = load_runtime();
      one->run();
      CHECK(runtime.control->damage == 0);
      printf("%s: %lu traps, %lu slow, %d failures\n", one->name, (unsigned long)runtime.control->traps,
             (unsigned long)runtime.control->slow, failures);
      return failures == 0 ? 0 : 1;
    }
  }
  return count < 2 ? 0 : 2;
}
