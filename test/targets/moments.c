/*
 * Writers that keep an order over words on several pages, and a watcher of words that
 * somebody else changes. What holds at every moment: in a writer's row no word is greater
 * than the one before it, and the first is at most one ahead of the last; `pair_first` is
 * never greater than `pair_second` when it is read first.
 */
#include "target.h"

TARGET_COUNTER(written, "written")

#define ROWS 64
#define WORDS 6

/* Each word of a row on a page of its own. */
struct row_page {
  _Alignas(4096) volatile unsigned long words[ROWS];
};
struct row_page rows[WORDS];

struct lonely {
  _Alignas(4096) volatile unsigned long value;
};
struct lonely pair_first = {1}, pair_second = {1};

long quiet[4] = {11, 22, 33, 44};
const long constant_word = 77;
/* Keeps the constant in memory. */
const long *const volatile constant_place = &constant_word;

static void *writer(void *argument) {
  long row = (long)argument;
  for (unsigned long turn = 1; target_running(); turn++) {
    for (int word = 0; word < WORDS; word++) rows[word].words[row] = turn;
    if (turn % 1024 == 0) target_count(&written, 1024);
  }
  return NULL;
}

static void *watcher(void *unused) {
  (void)unused;
  while (target_running()) {
    unsigned long first = pair_first.value;
    for (volatile int pause = 0; pause < 2000; pause++) continue;
    unsigned long second = pair_second.value;
    if (first > second) target_error("the pair is torn: %lu, %lu", first, second);
  }
  return NULL;
}

static void *sleeper(void *unused) {
  (void)unused;
  while (target_running()) target_sleep_us(20000);
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  long writers = target_option_number("writers", 2);
  long sleepers = target_option_number("sleepers", 2);
  if (target_option("watch") != NULL) target_thread(watcher, NULL);
  for (long i = 0; i < writers && i < ROWS; i++) target_thread(writer, (void *)i);
  for (long i = 0; i < sleepers; i++) target_thread(sleeper, NULL);
  return target_serve();
}
