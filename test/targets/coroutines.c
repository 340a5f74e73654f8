/*
 * Coroutines (ucontext) on small malloc'ed stacks that no thread list shows.
 * Each is suspended most of the time inside the updated function `stage`,
 * which yields in its middle; sixteen a thread.
 */
#include "target.h"

#include <stdlib.h>
#include <ucontext.h>

TARGET_PROBE(stage_probe, "stage")
TARGET_PROBE(leaf_probe, "leaf")

enum { COROUTINES = 16, STACK_SIZE = 12 * 1024 };

struct coroutine {
  ucontext_t context;
  ucontext_t *home;
  long value;
  bool finished;
};

static __thread struct coroutine *current;

void yield_here(void);
void yield_here(void) {
  struct coroutine *self = current;
  swapcontext(&self->context, self->home);
}

TARGET_UPDATED long leaf(long value) { return value + 1; }

/* Suspended in the middle; what it kept on its stack must still be there. */
TARGET_UPDATED long stage(long value) {
  volatile long kept[4] = {value, value * 2, value * 3, value * 4};
  yield_here();
  return kept[0] + kept[1] + kept[2] + kept[3];
}

static void body(void) {
  struct coroutine *self = current;
  for (long turn = 1; target_running(); turn++) {
    long value = self->value + turn;
    unsigned epoch = target_epoch();
    target_expect(&stage_probe, epoch, stage(value), value * 10, value * 20, value * 30);
    epoch = target_epoch();
    target_expect(&leaf_probe, epoch, leaf(value), value + 1, value + 2, value + 3);
  }
  self->finished = true;
  swapcontext(&self->context, self->home);
}

static void *scheduler(void *argument) {
  ucontext_t home;
  struct coroutine *coroutines = calloc(COROUTINES, sizeof *coroutines);
  char *stacks = malloc((size_t)COROUTINES * STACK_SIZE);
  if (!coroutines || !stacks) abort();
  for (int i = 0; i < COROUTINES; i++) {
    struct coroutine *one = &coroutines[i];
    getcontext(&one->context);
    one->home = &home;
    one->value = (long)argument * 1000 + i;
    one->context.uc_stack.ss_sp = stacks + (size_t)i * STACK_SIZE;
    one->context.uc_stack.ss_size = STACK_SIZE;
    makecontext(&one->context, body, 0);
  }
  for (int left = COROUTINES; left > 0;) {
    left = 0;
    for (int i = 0; i < COROUTINES; i++) {
      if (coroutines[i].finished) continue;
      current = &coroutines[i];
      swapcontext(&home, &coroutines[i].context);
      left++;
    }
    target_sleep_us(500);
  }
  free(stacks);
  free(coroutines);
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  for (long i = 0; i < 3; i++) target_thread(scheduler, (void *)i);
  return target_serve();
}
