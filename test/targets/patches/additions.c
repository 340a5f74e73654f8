/*
 * A patch of basic.c with functions and data of its own: initialised, zeroed,
 * constant, relocated tables, more than a page of each, and a static local.
 */
#include <stdio.h>
#include <string.h>

long added_calls;
static long added_zeroed[4096];
static long added_table[2048] = {[0] = 5, [2047] = 2};
static const char *const added_words[] = {"five", "two", NULL};

static __attribute__((noinline)) long times_five(long value) { return value * added_table[0]; }
static __attribute__((noinline)) long plus_two(long value) { return value + added_table[2047]; }
static long (*const steps[])(long) = {times_five, plus_two};

__attribute__((noinline)) long added_function(long value) {
  static long turns;
  __atomic_add_fetch(&turns, 1, __ATOMIC_RELAXED);
  __atomic_add_fetch(&added_calls, 1, __ATOMIC_RELAXED);
  for (unsigned i = 0; i < 2; i++) value = steps[i](value);
  return value;
}

long answer(long question) {
  char text[32];
  long result = added_function(question);
  __atomic_add_fetch(&added_zeroed[question & 4095], 1, __ATOMIC_RELAXED);
  snprintf(text, sizeof text, "%s %s", added_words[0], added_words[1]);
  return strcmp(text, "five two") == 0 ? result : -1;
}
