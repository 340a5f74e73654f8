/*
 * Threads that are cancelled while they are blocked inside the updated
 * function: their clean-up handlers must run, and joining must tell.
 */
#include "target.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

TARGET_PROBE(wait_probe, "wait")
TARGET_COUNTER(cancelled, "cancelled")

static int pipe_ends[2];

/* One byte in three is a call that ends; all others end by cancellation. */
TARGET_UPDATED long wait_for_byte(int descriptor) {
  char byte = 0;
  return read(descriptor, &byte, 1) == 1 ? byte : -1;
}

static void on_cancel(void *argument) { *(atomic_int *)argument += 1; }

static void *waiting(void *argument) {
  pthread_cleanup_push(on_cancel, argument);
  for (;;) {
    unsigned epoch = target_epoch();
    long result = wait_for_byte(pipe_ends[0]);
    target_expect(&wait_probe, epoch, result, 'x', 'x' + 1000, 'x' + 2000);
  }
  pthread_cleanup_pop(0);
  return NULL;
}

static void *canceller(void *argument) {
  (void)argument;
  while (target_running()) {
    pthread_t threads[4];
    atomic_int cleaned[4] = {0};
    for (int i = 0; i < 4; i++) {
      if (pthread_create(&threads[i], NULL, waiting, &cleaned[i]) != 0) abort();
    }
    if (write(pipe_ends[1], "xxxx", 4) != 4) target_error("write failed");
    target_sleep_us(8000);
    for (int i = 0; i < 4; i++) {
      void *result = NULL;
      pthread_cancel(threads[i]);
      pthread_join(threads[i], &result);
      if (result != PTHREAD_CANCELED) target_error("a thread was not cancelled");
      if (cleaned[i] != 1) target_error("a clean-up handler ran %d times", (int)cleaned[i]);
      target_count(&cancelled, 1);
    }
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  if (pipe(pipe_ends) != 0) abort();
  target_thread(canceller, NULL);
  return target_serve();
}
