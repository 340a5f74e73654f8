/*
 * Coherence under stress: writers and readers in old and in new code, on globals, on objects in linked lists
 * and on an array, under the program's own locks, while updates and rollbacks alternate and children are
 * forked. No write may be lost, and nobody who has the lock may see a broken invariant.
 *
 *     stress SECONDS ROUNDS CHILDREN
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loaded.h"

enum { NODES = 64, CELLS = 64, CELL_LOCKS = 8, WORKERS = 4 /* writers, and as many readers, on each side */ };

/* The old version. sum = a + b, twice = 2 * value, the text is the number. */
struct stats {
  unsigned hits;
  int a, b;
  long sum;
  char text[16];
};
struct node {
  struct node *next;
  int id, value, twice;
};
struct cell {
  int count, key;
};

/* The new version: other order, wider types, new fields. */
struct stats_v2 {
  long sum;
  char text[24];
  long b;
  uint64_t hits;
  uint64_t since; /* new, and of the new version alone */
  long a;
};
struct node_v2 {
  long twice, value;
  struct node_v2 *next;
  long id, touched;
};
struct cell_v2 {
  long key, count, pad;
};

static struct stats stats;
static struct node *list;
static struct cell cells[CELLS];
static struct stats_v2 stats_v2;
static struct node_v2 *list_v2;
static struct cell_v2 cells_v2[CELLS];

static struct runtime runtime;
static pthread_mutex_t stats_lock = PTHREAD_MUTEX_INITIALIZER, list_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t cell_locks[CELL_LOCKS];

static atomic_int may[2], inside[2], stop;
static atomic_ulong broken, stats_writes, list_writes, cell_writes, since_writes, writes[2], reads[2];

static void stats_up(const void *from, void *to) {
  const struct stats *old = from;
  struct stats_v2 *new = to;
  new->sum = old->sum, new->a = old->a, new->b = old->b, new->hits = old->hits;
  memcpy(new->text, old->text, sizeof old->text);
}
static void stats_down(const void *from, void *to) {
  const struct stats_v2 *new = from;
  struct stats *old = to;
  old->sum = new->sum, old->a = (int)new->a, old->b = (int)new->b, old->hits = (unsigned)new->hits;
  memcpy(old->text, new->text, sizeof old->text);
}
static void node_up(const void *from, void *to) {
  const struct node *old = from;
  struct node_v2 *new = to;
  new->id = old->id, new->value = old->value, new->twice = old->twice;
  new->next = runtime.twin_of(old->next);
}
static void node_down(const void *from, void *to) {
  const struct node_v2 *new = from;
  struct node *old = to;
  old->id = (int)new->id, old->value = (int)new->value, old->twice = (int)new->twice;
  old->next = runtime.twin_of(new->next);
}
static void cell_up(const void *from, void *to) {
  ((struct cell_v2 *)to)->count = ((const struct cell *)from)->count;
  ((struct cell_v2 *)to)->key = ((const struct cell *)from)->key;
}
static void cell_down(const void *from, void *to) {
  ((struct cell *)to)->count = (int)((const struct cell_v2 *)from)->count;
  ((struct cell *)to)->key = (int)((const struct cell_v2 *)from)->key;
}
static void pointer_over(const void *from, void *to) { *(void **)to = runtime.twin_of(*(void *const *)from); }

static void expect(int holds) {
  if (!holds) atomic_fetch_add(&broken, 1);
}

static unsigned chance(unsigned *seed) { return *seed = *seed * 1664525u + 1013904223u; }

/* One version's code; the text is the same for both, the types are not. */
#define CODE_OF(V, STATS, LIST, CELLS_OF, NODE, SIDE)                                              \
  static void check_stats##V(void) {                                                               \
    expect(STATS.sum == STATS.a + STATS.b);                                                        \
    expect(strtol(STATS.text, NULL, 10) == (long)(STATS.hits % 100000));                           \
  }                                                                                                \
  static void check_list##V(void) {                                                                \
    int count = 0;                                                                                 \
    for (const struct NODE *node = LIST; node != NULL && count <= NODES; node = node->next) {      \
      expect(node->twice == 2 * node->value);                                                      \
      count++;                                                                                     \
    }                                                                                              \
    expect(count == NODES);                                                                        \
  }                                                                                                \
  static void write_stats##V(unsigned *seed) {                                                     \
    pthread_mutex_lock(&stats_lock);                                                               \
    check_stats##V();                                                                              \
    STATS.a += (int)(chance(seed) >> 20) - 2048;                                                   \
    STATS.b ^= (int)(chance(seed) >> 24);                                                          \
    STATS.sum = STATS.a + STATS.b;                                                                 \
    STATS.hits++;                                                                                  \
    snprintf(STATS.text, sizeof STATS.text, "%lu", (unsigned long)(STATS.hits % 100000));          \
    atomic_fetch_add(&stats_writes, 1);                                                            \
    pthread_mutex_unlock(&stats_lock);                                                             \
  }                                                                                                \
  static void write_list##V(unsigned *seed) {                                                      \
    pthread_mutex_lock(&list_lock);                                                                \
    check_list##V();                                                                               \
    struct NODE **link = &LIST;                                                                    \
    for (unsigned skip = chance(seed) >> 26; skip > 0 && (*link)->next != NULL; skip--) link = &(*link)->next; \
    struct NODE *node = *link;                                                                     \
    node->value++;                                                                                 \
    node->twice = 2 * node->value;                                                                 \
    *link = node->next; /* to the front */                                                         \
    node->next = LIST;                                                                             \
    LIST = node;                                                                                   \
    atomic_fetch_add(&list_writes, 1);                                                             \
    pthread_mutex_unlock(&list_lock);                                                              \
  }                                                                                                \
  static void write_cell##V(unsigned *seed) {                                                      \
    unsigned which = (chance(seed) >> 16) % CELLS;                                                 \
    pthread_mutex_t *lock = &cell_locks[which % CELL_LOCKS];                                       \
    pthread_mutex_lock(lock);                                                                      \
    expect(CELLS_OF[which].key == (int)which);                                                     \
    CELLS_OF[which].count++;                                                                       \
    atomic_fetch_add(&cell_writes, 1);                                                             \
    pthread_mutex_unlock(lock);                                                                    \
  }                                                                                                \
  static void write##V(unsigned *seed) {                                                           \
    write_stats##V(seed);                                                                          \
    write_list##V(seed);                                                                           \
    for (int i = 0; i < 4; i++) write_cell##V(seed);                                               \
    atomic_fetch_add(&writes[SIDE], 6);                                                            \
  }                                                                                                \
  static void read##V(void) {                                                                      \
    pthread_mutex_lock(&stats_lock);                                                               \
    check_stats##V();                                                                              \
    pthread_mutex_unlock(&stats_lock);                                                             \
    pthread_mutex_lock(&list_lock);                                                                \
    check_list##V();                                                                               \
    pthread_mutex_unlock(&list_lock);                                                              \
    atomic_fetch_add(&reads[SIDE], 2);                                                             \
  }                                                                                                \
  static unsigned long counted_in_list##V(void) {                                                  \
    unsigned long sum = 0;                                                                         \
    for (const struct NODE *node = LIST; node != NULL; node = node->next) sum += (unsigned long)node->value; \
    return sum;                                                                                    \
  }                                                                                                \
  static unsigned long counted_in_cells##V(void) {                                                 \
    unsigned long sum = 0;                                                                         \
    for (int i = 0; i < CELLS; i++) sum += (unsigned long)CELLS_OF[i].count;                       \
    return sum;                                                                                    \
  }

CODE_OF(_old, stats, list, cells, node, 0)
CODE_OF(_new, stats_v2, list_v2, cells_v2, node_v2, 1)

struct worker {
  pthread_t thread;
  int side, writes;
  unsigned seed;
};

static void *work(void *argument) {
  struct worker *worker = argument;
  while (!atomic_load(&stop)) {
    atomic_fetch_add(&inside[worker->side], 1);
    if (atomic_load(&may[worker->side])) {
      if (!worker->writes) {
        if (worker->side == 0) read_old();
        else read_new();
      } else if (worker->side == 0) {
        write_old(&worker->seed);
      } else {
        write_new(&worker->seed);
        pthread_mutex_lock(&stats_lock); /* what the old version does not know must survive it */
        stats_v2.since++;
        atomic_fetch_add(&since_writes, 1);
        pthread_mutex_unlock(&stats_lock);
      }
    }
    atomic_fetch_sub(&inside[worker->side], 1);
    if (!worker->writes || !atomic_load(&may[worker->side])) usleep(200);
  }
  return NULL;
}

static void let(int side) { atomic_store(&may[side], 1); }

static void keep_out(int side) {
  atomic_store(&may[side], 0);
  while (atomic_load(&inside[side]) > 0) usleep(100);
}

static void everything(int lock) {
  int (*change)(pthread_mutex_t *) = lock ? pthread_mutex_lock : pthread_mutex_unlock;
  change(&stats_lock);
  change(&list_lock);
  for (int i = 0; i < CELL_LOCKS; i++) change(&cell_locks[i]);
}

/* Nobody is inside, or all locks are ours. */
static void all(int side, const char *when) {
  unsigned long of_list = side == 0 ? counted_in_list_old() : counted_in_list_new();
  unsigned long of_cells = side == 0 ? counted_in_cells_old() : counted_in_cells_new();
  unsigned long of_stats = side == 0 ? stats.hits : stats_v2.hits;
  if (side == 0) check_stats_old(), check_list_old();
  else check_stats_new(), check_list_new();
  int since = side == 0 || stats_v2.since == atomic_load(&since_writes);
  if (of_list == atomic_load(&list_writes) && of_cells == atomic_load(&cell_writes) &&
      of_stats == atomic_load(&stats_writes) && since) return;
  fprintf(stderr, "%s, side %d: list %ld, cells %ld, stats %ld lost; since %s\n", when, side,
          (long)(atomic_load(&list_writes) - of_list), (long)(atomic_load(&cell_writes) - of_cells),
          (long)(atomic_load(&stats_writes) - of_stats), since ? "kept" : "lost");
  atomic_fetch_add(&broken, 1);
}

/* A child has both versions as they were, and what it stores to them is its own. */
static void child(void) {
  all(0, "in the child"), all(1, "in the child");
  /* The compiler does not know that one store changes two objects. */
  volatile struct stats_v2 *of_new = &stats_v2;
  volatile struct cell *of_old = &cells[3];
  unsigned long before = (unsigned long)of_new->hits;
  ((volatile struct stats *)&stats)->hits += 1000;
  ((volatile struct cell_v2 *)&cells_v2[3])->count = -7;
  expect(of_new->hits == before + 1000 && of_old->count == -7);
  _exit(atomic_load(&broken) == 0 ? 0 : 1);
}

static void fork_one(void) {
  everything(1);
  good(runtime.before_fork(), "before_fork");
  pid_t pid = fork();
  runtime.after_fork(pid == 0);
  if (pid == 0) child();
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
    fprintf(stderr, "the child: %d\n", status);
    atomic_fetch_add(&broken, 1);
  }
  all(0, "after a fork"), all(1, "after a fork");
  everything(0);
}

static long make_set(void) {
  long set = good(runtime.set(), "set");
  long item = ADD_ITEM(&runtime, set, sizeof stats, sizeof stats_v2, stats_up, stats_down);
  good(runtime.pair(item, &stats, &stats_v2), "pair");
  item = ADD_ITEM(&runtime, set, sizeof list, sizeof list_v2, pointer_over, pointer_over);
  good(runtime.pair(item, &list, &list_v2), "pair");
  item = ADD_ITEM(&runtime, set, sizeof cells[0], sizeof cells_v2[0], cell_up, cell_down);
  for (int i = 0; i < CELLS; i++) good(runtime.pair(item, &cells[i], &cells_v2[i]), "pair");
  item = ADD_ITEM(&runtime, set, sizeof(struct node), sizeof(struct node_v2), node_up, node_down);
  pthread_mutex_lock(&list_lock);
  for (struct node *node = list; node != NULL; node = node->next) good(runtime.add(item, node), "add");
  pthread_mutex_unlock(&list_lock);
  return set;
}

/* No page of the objects is shared memory any more: in smaps it would be named. */
static void expect_private(void) {
  const void *places[] = {&stats, &list, &cells[0], &cells[CELLS - 1], list};
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    unsigned long from, to;
    char access[8];
    if (sscanf(line, "%lx-%lx %7s", &from, &to, access) != 3) continue;
    for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
      unsigned long at = (unsigned long)places[i];
      if (at >= from && at < to) expect(strcmp(access, "rw-p") == 0);
    }
  }
  if (maps != NULL) fclose(maps);
}

static void prepare(void) {
  for (int i = 0; i < CELL_LOCKS; i++) pthread_mutex_init(&cell_locks[i], NULL);
  for (int i = 0; i < CELLS; i++) cells[i].key = i;
  strcpy(stats.text, "0");
  for (int i = 0; i < NODES; i++) {
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL) exit(3);
    node->id = i;
    node->next = list;
    list = node;
  }
}

int main(int count, char **words) {
  double seconds = count > 1 ? atof(words[1]) : 2;
  int rounds = count > 2 ? atoi(words[2]) : 1, children = count > 3 ? atoi(words[3]) : 0;
  runtime = load_runtime();
  prepare();
  let(0);
  struct worker workers[4 * WORKERS];
  for (int i = 0; i < 4 * WORKERS; i++) {
    workers[i] = (struct worker){.side = i % 2, .writes = i / 2 % 2, .seed = (unsigned)i};
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) return 3;
  }
  useconds_t slice = (useconds_t)(seconds * 1e6 / rounds);
  long set = make_set();
  for (int round = 0; round < rounds; round++) {
    good(runtime.begin(set, POLUS_OLD), "begin"), finish(&runtime, set), let(1);
    usleep(slice / 2);
    if (children > 0 && round % children == 0) fork_one();
    everything(1), all(0, "coherent"), all(1, "coherent"), everything(0);
    keep_out(0), good(runtime.end(set, POLUS_NEW), "end"), finish(&runtime, set);
    if (rounds > 1) usleep(1000);
    expect_private();
    good(runtime.begin(set, POLUS_NEW), "begin back"), finish(&runtime, set), let(0);
    usleep(slice / 2);
    everything(1), all(0, "back"), all(1, "back"), everything(0);
    keep_out(1), good(runtime.end(set, POLUS_OLD), "end back"), finish(&runtime, set);
    expect_private();
  }
  atomic_store(&stop, 1);
  for (int i = 0; i < 4 * WORKERS; i++) pthread_join(workers[i].thread, NULL);
  all(0, "at the end");
  good(runtime.drop(set), "drop");
  const struct polus_control *control = runtime.control;
  printf("writes old %lu new %lu, reads old %lu new %lu, traps %lu, transfers %lu, slow %lu, forked %lu, broken %lu, damage %ld\n",
         atomic_load(&writes[0]), atomic_load(&writes[1]), atomic_load(&reads[0]), atomic_load(&reads[1]),
         (unsigned long)control->traps, (unsigned long)control->transfers, (unsigned long)control->slow,
         (unsigned long)control->forked, atomic_load(&broken), (long)control->damage);
  return atomic_load(&broken) == 0 && control->damage == 0 && control->guarded_pages == 0 ? 0 : 1;
}
