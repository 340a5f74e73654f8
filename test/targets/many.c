/*
 * Five hundred functions, updated one alone or all together. `spread` tells
 * how long after the first function's flip the last one's was seen.
 */
#include "target.h"

#include "many.h"

#include <stdio.h>
#include <string.h>

TARGET_PROBE(first_probe, "first")
TARGET_PROBE(last_probe, "last")
TARGET_PROBE(all_probe, "all")

#define DEFINE(n)                                                                                  \
  TARGET_UPDATED long many_##n(long value);                                                        \
  long many_##n(long value) { return value + n; }
MANY(DEFINE)

#define NAME(n) many_##n,
static long (*const functions[MANY_COUNT])(long) = {MANY(NAME)};

static atomic_long first_flip_ns, last_flip_ns;

static void *caller(void *argument) {
  (void)argument;
  for (long turn = 1; target_running(); turn++) {
    for (int i = 0; i < MANY_COUNT; i++) {
      unsigned epoch = target_epoch();
      long result = functions[i](turn) - turn - (i + 1000);
      target_expect(&all_probe, epoch, result, 0, 100000, 200000);
    }
    target_sleep_us(2000);
  }
  return NULL;
}

/* Looks at the first and the last function only, as fast as it can. */
static void *watcher(void *argument) {
  (void)argument;
  bool first_new = false, last_new = false;
  for (long turn = 1; target_running(); turn++) {
    unsigned epoch = target_epoch();
    long first = many_1000(turn) - turn;
    long seen_first = target_now_ns();
    long last = many_1499(turn) - turn;
    long seen_last = target_now_ns();
    if ((first != 1000) != first_new) first_new = !first_new, atomic_store(&first_flip_ns, seen_first);
    if ((last != 1499) != last_new) last_new = !last_new, atomic_store(&last_flip_ns, seen_last);
    target_expect(&first_probe, epoch, first, 1000, 101000, 201000);
    target_expect(&last_probe, epoch, last, 1499, 101499, 201499);
    if (turn % 20000 == 0) target_sleep_us(500);
  }
  return NULL;
}

static bool on_command(const char *line, char *reply, size_t size) {
  if (strcmp(line, "spread") != 0) return false;
  snprintf(reply, size, "\"spread_ns\":%ld",
           atomic_load(&last_flip_ns) - atomic_load(&first_flip_ns));
  return true;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  target_on_command(on_command);
  target_thread(watcher, NULL);
  for (int i = 0; i < 3; i++) target_thread(caller, NULL);
  return target_serve();
}
