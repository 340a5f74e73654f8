/* Thread-local variables of the program and of a library loaded at start, used by the patch. */
#include "target.h"

#include <pthread.h>
#include <stdlib.h>

TARGET_PROBE(program_probe, "program")
TARGET_PROBE(library_probe, "library")
TARGET_COUNTER(threads_ended, "threads_ended")

static __thread long calls_here = 100;
__thread long calls_total;
extern __thread long library_calls;
extern long library_count(void);

/* Each version counts in the calling thread's variables only. */
TARGET_UPDATED long count_here(long amount) {
  calls_here += amount;
  calls_total++;
  return calls_here;
}

/* Threads are short, so that variables of threads born after the update are used too. */
static void *worker(void *argument) {
  long seed = (long)argument;
  const long mark = 1L << 40;
  for (long turn = 1; turn <= 2000 && target_running(); turn++) {
    unsigned epoch = target_epoch();
    long plain = 100 + turn * seed;
    target_expect(&program_probe, epoch, count_here(seed), plain, plain + mark, plain + 2 * mark);
    if (calls_here != plain || calls_total != turn) target_error("a thread's own count is wrong");
    epoch = target_epoch();
    target_expect(&library_probe, epoch, library_count(), turn, turn + mark, turn + 2 * mark);
    if (library_calls != turn) target_error("a thread's count in the library is wrong");
    if (turn % 64 == 0) target_sleep_us(200);
  }
  target_count(&threads_ended, 1);
  return NULL;
}

static void *starter(void *argument) {
  while (target_running()) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, worker, argument) != 0) abort();
    pthread_join(thread, NULL);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  for (long i = 1; i <= target_option_number("threads", 3); i++) target_thread(starter, (void *)i);
  return target_serve();
}
