/*
 * Static functions of one name in two files (the other is statics_other.c),
 * static data, a function's static local and string constants that the patch
 * goes on using.
 */
#include "target.h"

#include <stdio.h>
#include <string.h>

TARGET_PROBE(here_probe, "here")
TARGET_PROBE(there_probe, "there")
TARGET_PROBE(ticket_probe, "ticket")
TARGET_PROBE(greeting_probe, "greeting")

extern long scale_there(long value);

static long factor = 3;
long unique_limit = 1000;
static const char banner[] = "statics of the old program";
static const char *const words[] = {"zero", "one", "two", "three"};

static TARGET_UPDATED long scale(long value) {
  *(volatile long *)&factor = factor;
  return value * factor;
}
long scale_here(long value) { return scale(value); }

/* Hands out numbers; the sequence must go on without a gap or a repetition across versions. */
static TARGET_UPDATED long next_ticket(void) {
  static long last_ticket;
  return __atomic_add_fetch(&last_ticket, 1, __ATOMIC_SEQ_CST);
}

/* Old: "one: statics of the old program (limit 1000)"; the new version says it in another order. */
static TARGET_UPDATED void greet(long which, char *text, size_t size) {
  snprintf(text, size, "%s: %s (limit %ld)", words[which & 3], banner, unique_limit);
}

static void *caller(void *argument) {
  (void)argument;
  for (long turn = 1; target_running(); turn++) {
    unsigned epoch = target_epoch();
    target_expect(&here_probe, epoch, scale_here(turn), turn * 3, turn * 3 + 1, turn * 3 + 2);
    epoch = target_epoch();
    target_expect(&there_probe, epoch, scale_there(turn), turn * 5, turn * 5 + 1, turn * 5 + 2);

    char text[128], old[128], new[128];
    epoch = target_epoch();
    greet(turn, text, sizeof text);
    snprintf(old, sizeof old, "%s: %s (limit %ld)", words[turn & 3], banner, unique_limit);
    snprintf(new, sizeof new, "(limit %ld) %s: %s", unique_limit, banner, words[turn & 3]);
    if (strcmp(text, old) == 0) target_observe(&greeting_probe, epoch, TARGET_OLD);
    else if (strcmp(text, new) == 0) target_observe(&greeting_probe, epoch, TARGET_NEW);
    else target_error("greet: %s", text);
    if (turn % 64 == 0) target_sleep_us(200);
  }
  return NULL;
}

/* New versions hand out numbers with a mark above 2^40, from the same sequence. */
static void *collector(void *argument) {
  (void)argument;
  const long mark = 1L << 40;
  for (long expected = 1; target_running(); expected++) {
    unsigned epoch = target_epoch();
    long ticket = next_ticket();
    target_expect(&ticket_probe, epoch, ticket, expected, expected + mark, expected + 2 * mark);
    if (expected % 64 == 0) target_sleep_us(200);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  for (long i = 0; i < target_option_number("threads", 3); i++) target_thread(caller, NULL);
  target_thread(collector, NULL);
  return target_serve();
}
