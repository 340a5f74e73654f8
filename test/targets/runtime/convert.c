/*
 * A million objects of the heap are converted while the program goes on working with them: how long it takes
 * beside a plain loop that does the same copying, how long the longest wait of a worker is meanwhile, and
 * how much slower the program is while both versions are kept coherent for an old function that idles.
 *
 *     convert OBJECTS WORKERS     prints one line of JSON
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "loaded.h"

struct session {
  struct session *next;
  uint32_t hits, limit;
  char user[32];
};
struct session_v2 {
  uint64_t hits;
  struct session_v2 *next;
  char user[48];
  uint64_t since;
  uint32_t limit;
};

static struct runtime runtime;
static struct session **sessions;
static struct session_v2 **twins;
static size_t count;
static atomic_int stop, pause_work, version;

static void up(const void *from, void *to) {
  const struct session *old = from;
  struct session_v2 *new = to;
  new->hits = old->hits, new->limit = old->limit;
  memcpy(new->user, old->user, sizeof old->user);
  new->next = runtime.twin_of(old->next);
}
static void down(const void *from, void *to) {
  const struct session_v2 *new = from;
  struct session *old = to;
  old->hits = (uint32_t)new->hits, old->limit = new->limit;
  memcpy(old->user, new->user, sizeof old->user);
  old->next = runtime.twin_of(new->next);
}

/* The same without the table of twins: what a plain loop would do, given where the twins are. */
static void plain(const struct session *old, struct session_v2 *new, struct session_v2 *next) {
  new->hits = old->hits, new->limit = old->limit;
  memcpy(new->user, old->user, sizeof old->user);
  new->next = next;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

struct worker {
  pthread_t thread;
  unsigned seed;
  atomic_ulong requests;
  double longest; /* ms between two requests */
  long number;
};
static struct worker workers[16];

/* A request reads a dozen sessions and writes to one of them; most of its time goes into other work. */
static uint64_t request(struct worker *worker, volatile uint64_t *other) {
  uint64_t sum = 0;
  for (int i = 0; i < 12; i++) {
    worker->seed = worker->seed * 1664525u + 1013904223u;
    size_t which = (worker->seed >> 4) % count;
    if (atomic_load_explicit(&version, memory_order_relaxed) == 0) {
      sum += sessions[which]->hits;
      if (i == 0 && which % 16 == (size_t)worker->number) sessions[which]->hits++;
    } else {
      sum += twins[which]->hits;
      if (i == 0 && which % 16 == (size_t)worker->number) twins[which]->hits++;
    }
  }
  for (int i = 0; i < 2000; i++) *other += sum;
  return sum;
}

static void *work(void *argument) {
  struct worker *worker = argument;
  volatile uint64_t other = 0;
  double last = now();
  while (!atomic_load(&stop)) {
    if (atomic_load(&pause_work)) {
      usleep(100);
      last = now();
      continue;
    }
    request(worker, &other);
    atomic_fetch_add(&worker->requests, 1);
    double time = now();
    if (time - last > worker->longest) worker->longest = time - last;
    last = time;
  }
  return NULL;
}

/* Requests a millisecond over a time, and the longest wait in it. */
static double rate(int many, double ms, double *longest) {
  unsigned long before = 0, after = 0;
  for (int i = 0; i < many; i++) before += atomic_load(&workers[i].requests), workers[i].longest = 0;
  double start = now();
  usleep((useconds_t)(ms * 1000));
  double time = now() - start;
  *longest = 0;
  for (int i = 0; i < many; i++) {
    after += atomic_load(&workers[i].requests);
    if (workers[i].longest > *longest) *longest = workers[i].longest;
  }
  return (double)(after - before) / time;
}

static double longest_wait(int many) {
  double longest = 0;
  for (int i = 0; i < many; i++) {
    if (workers[i].longest > longest) longest = workers[i].longest;
    workers[i].longest = 0;
  }
  return longest;
}

/* The others have the processor for as long as it was just used. */
static void rest(double used_ms) { usleep((useconds_t)((used_ms < 5 ? used_ms : 5) * 1000)); }

/* In slices of a millisecond, as the engine does it; the thread that is borrowed is this one. Returns what they took. */
static double steps(long set) {
  double sum = 0, longest = 0;
  for (;;) {
    double slice = now();
    long more = good(runtime.step(set, 1000), "step");
    double took = now() - slice;
    sum += took;
    if (took > longest) longest = took;
    if (more == 0) break;
    rest(took);
  }
  printf("\"longest_slice_ms\":%.2f,", longest);
  return sum;
}

/* Memory as the runtime uses it, but without any lock: fresh pages are filled, protected and given back again. */
enum { PIECE = 1 << 20, PROTECTED_AT_ONCE = 1 << 18, GIVEN_BACK_AT_ONCE = 1 << 17 };

static void copy_through_fresh_memory(size_t *i) {
  struct session_v2 *piece = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (piece == MAP_FAILED) exit(3);
  for (size_t to = 0; to < PIECE / sizeof *piece; to++, *i = (*i + 1) % count) {
    plain(sessions[*i], &piece[to], to == 0 ? NULL : &piece[to - 1]);
  }
  for (size_t at = 0; at < PIECE; at += PROTECTED_AT_ONCE) (void)mprotect((char *)piece + at, PROTECTED_AT_ONCE, PROT_READ);
  for (size_t at = 0; at < PIECE; at += GIVEN_BACK_AT_ONCE) (void)munmap((char *)piece + at, GIVEN_BACK_AT_ONCE);
}

/* The longest wait beside a thread that works in such slices, without any lock: what this machine makes them wait. */
static double wait_beside(int many, double ms, int fresh) {
  struct session_v2 *copies = calloc(count, sizeof *copies);
  if (copies == NULL) exit(3);
  (void)longest_wait(many);
  size_t i = 0;
  for (double start = now(); now() - start < ms;) {
    double slice = now();
    while (now() - slice < 1) {
      if (fresh) {
        copy_through_fresh_memory(&i);
        continue;
      }
      plain(sessions[i], &copies[i], i == 0 ? NULL : &copies[i - 1]);
      i = (i + 1) % count;
    }
    rest(now() - slice);
  }
  free(copies);
  return longest_wait(many);
}

int main(int words_count, char **words) {
  count = words_count > 1 ? strtoul(words[1], NULL, 10) : 1000000;
  int many = words_count > 2 ? atoi(words[2]) : 2;
  if (count < 16 || many < 1 || many > 16) return 3;
  runtime = load_runtime();
  sessions = calloc(count, sizeof *sessions);
  twins = calloc(count, sizeof *twins);
  for (size_t i = 0; i < count; i++) {
    sessions[i] = calloc(1, sizeof **sessions);
    if (sessions[i] == NULL) return 3;
    sessions[i]->next = i == 0 ? NULL : sessions[i - 1];
    snprintf(sessions[i]->user, sizeof sessions[i]->user, "user %zu", i);
  }
  /* The yardstick: the same copying by a plain loop. */
  struct session_v2 *copies = calloc(count, sizeof *copies);
  if (copies == NULL) return 3;
  double start = now();
  for (size_t i = 0; i < count; i++) plain(sessions[i], &copies[i], i == 0 ? NULL : &copies[i - 1]);
  double plain_ms = now() - start;
  free(copies);

  for (int i = 0; i < many; i++) {
    workers[i].seed = (unsigned)i * 77u + 1;
    workers[i].number = i;
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) return 3;
  }
  double longest_before;
  double rate_before = rate(many, 1000, &longest_before);
  double longest_beside = wait_beside(many, 3000, 0), longest_beside_fresh = wait_beside(many, 3000, 1);
  printf("{\"objects\":%zu,\"plain_ms\":%.2f,\"rate_before\":%.1f,\"longest_before_ms\":%.2f,\"longest_beside_ms\":%.2f,\"longest_beside_fresh_ms\":%.2f,",
         count, plain_ms, rate_before, longest_before, longest_beside, longest_beside_fresh);
  long set = good(runtime.set(), "set");
  long item = ADD_ITEM(&runtime, set, sizeof(struct session), sizeof(struct session_v2), up, down);
  start = now();
  for (size_t i = 0; i < count; i++) runtime.visit(sessions[i], (void *)item);
  double visit_ms = now() - start;
  (void)longest_wait(many);
  good(runtime.begin(set, POLUS_OLD), "begin");
  double convert_ms = steps(set);
  printf("\"visit_ms\":%.1f,\"convert_ms\":%.1f,\"longest_while_converting_ms\":%.2f,", visit_ms, convert_ms, longest_wait(many));
  for (size_t i = 0; i < count; i++) twins[i] = runtime.twin_of(sessions[i]);
  /* Every old function has returned but one that idles: new code works, both versions are kept coherent. */
  atomic_store(&version, 1);
  double longest_during;
  double rate_during = rate(many, 1000, &longest_during);
  printf("\"rate_coherent\":%.1f,\"longest_coherent_ms\":%.2f,\"traps\":%lu,", rate_during, longest_during,
         (unsigned long)runtime.control->traps);
  good(runtime.end(set, POLUS_NEW), "end");
  double end_ms = steps(set);
  double longest_end = longest_wait(many), longest_after;
  double rate_after = rate(many, 1000, &longest_after);
  atomic_store(&stop, 1);
  for (int i = 0; i < many; i++) pthread_join(workers[i].thread, NULL);
  int right = 1;
  for (size_t i = 0; i < count; i++) right &= strcmp(twins[i]->user, sessions[i]->user) == 0;
  printf("\"end_ms\":%.1f,\"longest_while_ending_ms\":%.2f,\"rate_after\":%.1f,\"guarded\":%lu,\"right\":%d}\n", end_ms,
         longest_end, rate_after, (unsigned long)runtime.control->guarded_pages, right);
  return right && runtime.control->damage == 0 ? 0 : 1;
}
