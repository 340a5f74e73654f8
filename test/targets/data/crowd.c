/*
 * Very many objects, threads that work with them without a pause, and one that sleeps for a moment at a time: how
 * long does an update of all of them keep any of these waiting? The main thread waits for commands.
 *
 *   gaps     the longest that a worker and the sleeper were kept since this was last asked; requests since then
 */
#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../target.h"

enum { WORKERS = 2 };

struct session *sessions;
static struct session **all;
static unsigned long count;
static atomic_long worker_gap_ns, sleeper_gap_ns, requests;

TARGET_UPDATED void session_hit(struct session *session) { session->hits++; }
TARGET_UPDATED unsigned long session_hits(const struct session *session) { return session->hits; }

static void note(atomic_long *longest, long gap) {
  if (gap > atomic_load_explicit(longest, memory_order_relaxed)) atomic_store(longest, gap);
}

/* A request reads a dozen sessions and now and then writes to one; most of its time goes into other work. */
static void *worker(void *argument) {
  unsigned long number = (unsigned long)argument, seed = number * 77 + 1, sum = 0;
  volatile unsigned long other = 0;
  for (long last = target_now_ns(); target_running();) {
    for (int i = 0; i < 12; i++) {
      seed = seed * 6364136223846793005ul + 1442695040888963407ul;
      unsigned long which = (seed >> 33) % count;
      sum += session_hits(all[which]);
      if (i == 0 && which % 16 == number) session_hit(all[which]);
    }
    for (int i = 0; i < 2000; i++) other += sum;
    atomic_fetch_add_explicit(&requests, 1, memory_order_relaxed);
    long now = target_now_ns();
    note(&worker_gap_ns, now - last);
    last = now;
  }
  return NULL;
}

static void *sleeper(void *argument) {
  (void)argument;
  for (long last = target_now_ns(); target_running();) {
    target_sleep_us(1000);
    long now = target_now_ns();
    note(&sleeper_gap_ns, now - last - 1000000);
    last = now;
  }
  return NULL;
}

static bool on_command(const char *line, char *reply, size_t size) {
  if (strcmp(line, "gaps") != 0) return false;
  snprintf(reply, size, "\"worker_ns\":%ld,\"sleeper_ns\":%ld,\"requests\":%ld", atomic_exchange(&worker_gap_ns, 0),
           atomic_exchange(&sleeper_gap_ns, 0), atomic_exchange(&requests, 0));
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
