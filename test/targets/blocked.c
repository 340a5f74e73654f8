/* Threads blocked in every kind of system call, beside threads that call the updated function. */
#include "blocked.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TARGET_PROBE(answer_probe, "answer")

static struct wait_kind *const groups[] = {descriptor_kinds, clock_kinds, lock_kinds, signal_kinds};
static atomic_int waiters;

TARGET_UPDATED long answer(long question) { return question * 3 + 1; }

bool wait_succeeded(long result, const char *call) {
  if (result >= 0) return true;
  target_error("%s failed: %s", call, errno == EINTR ? "EINTR without a signal" : strerror(errno));
  return false;
}

void wait_lasted(long begin_ns, long milliseconds, const char *call) {
  long lasted = target_now_ns() - begin_ns;
  /* Clocks of different granularity: allow one millisecond. */
  if (lasted < (milliseconds - 1) * 1000000L) {
    target_error("%s returned after %ld us of %ld ms", call, lasted / 1000, milliseconds);
  }
}

void wait_require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "target: %s: %s\n", what, strerror(errno));
  _exit(2);
}

static void *waiter(void *argument) {
  struct wait_kind *kind = argument;
  while (target_running()) {
    kind->wait();
    target_count(&kind->waits, 1);
  }
  atomic_fetch_sub(&waiters, 1);
  return NULL;
}

/* Wakes every kind in turn, until all waiters have seen the end. */
static void *waker(void *argument) {
  (void)argument;
  while (atomic_load(&waiters) > 0) {
    target_sleep_us(target_running() ? 120000 : 2000);
    for (size_t group = 0; group < sizeof groups / sizeof groups[0]; group++) {
      for (struct wait_kind *kind = groups[group]; kind->name; kind++) {
        if (kind->wake) kind->wake();
      }
    }
  }
  return NULL;
}

static void *caller(void *argument) {
  (void)argument;
  for (long turn = 1; target_running(); turn++) {
    unsigned epoch = target_epoch();
    target_expect(&answer_probe, epoch, answer(turn), turn * 3 + 1, turn * 5 + 2, turn * 7 + 3);
    if (turn % 64 == 0) target_sleep_us(300);
  }
  return NULL;
}

/* Leaves out the kinds that --only does not name. */
static bool wanted(struct wait_kind *kind, const char *only) {
  if (!only || strcmp(only, kind->name) == 0) return true;
  kind->wake = NULL;
  return false;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  const char *only = target_option("only");
  /* First everything is prepared: blocked signals must be blocked in all threads. */
  for (size_t group = 0; group < sizeof groups / sizeof groups[0]; group++) {
    for (struct wait_kind *kind = groups[group]; kind->name; kind++) {
      if (!wanted(kind, only)) continue;
      kind->waits.name = kind->name;
      target_register_counter(&kind->waits);
      if (kind->set_up) kind->set_up();
    }
  }
  for (size_t group = 0; group < sizeof groups / sizeof groups[0]; group++) {
    for (struct wait_kind *kind = groups[group]; kind->name; kind++) {
      if (!wanted(kind, only)) continue;
      atomic_fetch_add(&waiters, 1);
      target_thread(waiter, kind);
    }
  }
  target_thread(waker, NULL);
  for (int i = 0; i < 2; i++) target_thread(caller, NULL);
  return target_serve();
}
