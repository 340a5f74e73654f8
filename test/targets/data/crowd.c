/*
 * Very many objects, threads that work with them without a pause, and one that sleeps for a moment at a time: how
 * long does an update of all of them keep any of these waiting? The main thread waits for commands.
 *
 *   gaps       the longest that a worker and the sleeper were kept since this was last asked, and the longest of
 *              what was no want of a processor; requests since then
 *   churn MS   changes and protects as much memory as both versions take
 */
#include "crowd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../target.h"

enum { WORKERS = 2 };

struct session *sessions;
static struct session **all;
static unsigned long count;
static atomic_long requests;

/* The longest of a kind of thread: wait, and of any wait what was no want of a processor. */
struct longest {
  atomic_long gap_ns, held_ns;
};
static struct longest of_workers, of_sleeper;

TARGET_UPDATED void session_hit(struct session *session) { session->hits++; }
TARGET_UPDATED unsigned long session_hits(const struct session *session) { return session->hits; }

static void keep_longest(atomic_long *longest, long gap) {
  if (gap > atomic_load_explicit(longest, memory_order_relaxed)) atomic_store(longest, gap);
}

/* What a thread waits for: `schedstat` says how long it was ready to run without a processor (Linux, sched-stats.rst). */
struct waits {
  int schedstat;
  long last, looked, without_processor;
};

static long without_processor(const struct waits *waits) {
  char text[96] = "";
  long used, ready;
  if (pread(waits->schedstat, text, sizeof text - 1, 0) <= 0 || sscanf(text, "%ld %ld", &used, &ready) != 2) abort();
  return ready;
}

static struct waits begin_waits(void) {
  struct waits waits = {.schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)};
  if (waits.schedstat < 0) abort();
  waits.without_processor = without_processor(&waits);
  waits.last = waits.looked = target_now_ns();
  return waits;
}

enum { SHORT_NS = 500000 };

/* After a piece of work, or a sleep, that takes `expected` nanoseconds when nobody disturbs it. */
static void note(struct longest *longest, struct waits *waits, long expected) {
  long now = target_now_ns(), gap = now - waits->last - expected;
  waits->last = now;
  keep_longest(&longest->gap_ns, gap);
  if (gap < SHORT_NS && now - waits->looked < SHORT_NS) return;
  long ready = without_processor(waits);
  /* Shorter gaps since the last look have had their part of it: half a millisecond at most. */
  if (gap >= SHORT_NS) keep_longest(&longest->held_ns, gap - (ready - waits->without_processor));
  waits->without_processor = ready;
  waits->last = waits->looked = target_now_ns();
}

/* A request reads a dozen sessions and now and then writes to one; most of its time goes into other work. */
static void *worker(void *argument) {
  unsigned long number = (unsigned long)argument, seed = number * 77 + 1, sum = 0;
  volatile unsigned long other = 0;
  for (struct waits waits = begin_waits(); target_running();) {
    for (int i = 0; i < 12; i++) {
      seed = seed * 6364136223846793005ul + 1442695040888963407ul;
      unsigned long which = (seed >> 33) % count;
      sum += session_hits(all[which]);
      if (i == 0 && which % 16 == number) session_hit(all[which]);
    }
    for (int i = 0; i < 2000; i++) other += sum;
    atomic_fetch_add_explicit(&requests, 1, memory_order_relaxed);
    note(&of_workers, &waits, 0);
  }
  return NULL;
}

static void *sleeper(void *argument) {
  (void)argument;
  for (struct waits waits = begin_waits(); target_running();) {
    target_sleep_us(1000);
    note(&of_sleeper, &waits, 1000000);
  }
  return NULL;
}

/*
 * The yardstick: what an update asks of memory, by the program itself, without any lock and without polus. As many
 * bytes as both versions have are filled and protected, two milliseconds at a time, with as long a rest.
 */
enum { PART = 1 << 18, TURN_US = 2000 };

static void churn(long ms) {
  size_t size = (count * 144 / PART + 1) * PART;
  char *area = mmap(NULL, size, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED) abort();
  size_t at = 0;
  long end = target_now_ns() + ms * 1000000;
  for (long begun; (begun = target_now_ns()) < end;) {
    do {
      if (mprotect(area + at, PART, PROT_READ | PROT_WRITE) != 0) abort();
      memset(area + at, 1, PART);
      if (mprotect(area + at, PART, PROT_READ) != 0) abort();
      at = (at + PART) % size;
    } while (target_now_ns() - begun < TURN_US * 1000);
    target_sleep_us((target_now_ns() - begun) / 1000);
  }
  if (munmap(area, size) != 0) abort();
}

static bool on_command(const char *line, char *reply, size_t size) {
  long ms;
  if (sscanf(line, "churn %ld", &ms) == 1) {
    churn(ms);
    snprintf(reply, size, "\"churned_ms\":%ld", ms);
    return true;
  }
  if (strcmp(line, "gaps") != 0) return false;
  snprintf(reply, size, "\"worker_ns\":%ld,\"worker_held_ns\":%ld,\"sleeper_ns\":%ld,\"sleeper_held_ns\":%ld,\"requests\":%ld",
           atomic_exchange(&of_workers.gap_ns, 0), atomic_exchange(&of_workers.held_ns, 0),
           atomic_exchange(&of_sleeper.gap_ns, 0), atomic_exchange(&of_sleeper.held_ns, 0), atomic_exchange(&requests, 0));
  return true;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  target_on_command(on_command);
  count = (unsigned long)target_option_number("objects", 1000);
  all = calloc(count, sizeof *all);
  for (unsigned long i = 0; i < count; i++) {
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) abort();
    snprintf(session->user, sizeof session->user, "user %lu", i);
    session->next = sessions;
    all[i] = sessions = session;
  }
  for (long i = 0; i < WORKERS; i++) target_thread(worker, (void *)i);
  target_thread(sleeper, NULL);
  return target_serve();
}
