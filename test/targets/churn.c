/* Threads are created and end all the time: joined ones, detached ones, ones that start others. */
#include "target.h"

#include <pthread.h>
#include <stdlib.h>

TARGET_PROBE(answer_probe, "answer")
TARGET_COUNTER(threads_ended, "threads_ended")

static atomic_long detached_alive;

TARGET_UPDATED long answer(long question) { return question * 3 + 1; }

static void ask(long turns) {
  for (long turn = 1; turn <= turns; turn++) {
    unsigned epoch = target_epoch();
    target_expect(&answer_probe, epoch, answer(turn), turn * 3 + 1, turn * 5 + 2, turn * 7 + 3);
  }
}

static void *joined(void *argument) {
  ask(50 + (long)argument % 50);
  target_count(&threads_ended, 1);
  return argument;
}

/* Some end while they sleep is still fresh, some right away. */
static void *detached(void *argument) {
  ask(20);
  if ((long)argument % 3 == 0) target_sleep_us((long)argument % 1000);
  ask(20);
  target_count(&threads_ended, 1);
  atomic_fetch_sub(&detached_alive, 1);
  return NULL;
}

static void *starter(void *argument) {
  for (long turn = (long)argument; target_running(); turn++) {
    pthread_t threads[4];
    int started = 0;
    for (; started < 4; started++) {
      if (pthread_create(&threads[started], NULL, joined, (void *)(turn + started)) != 0) abort();
    }
    if (atomic_load(&detached_alive) < 20) {
      pthread_t thread;
      atomic_fetch_add(&detached_alive, 1);
      if (pthread_create(&thread, NULL, detached, (void *)turn) != 0) abort();
      pthread_detach(thread);
    }
    while (started > 0) {
      void *result;
      long expected = turn + --started;
      pthread_join(threads[started], &result);
      if ((long)result != expected) target_error("a thread returned something else");
    }
    target_sleep_us(2000);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  for (long i = 0; i < 3; i++) target_thread(starter, (void *)(i * 1000));
  int status = target_serve();
  while (atomic_load(&detached_alive) > 0) target_sleep_us(1000);
  return status;
}
