/*
 * A main loop that never returns and is itself to be updated, with the callees
 * that it calls; --threads threads (default 64) call `work` in a loop while one
 * more stays inside it for ever.
 */
#include "target.h"

#include <stdlib.h>

TARGET_PROBE(work_probe, "work")
TARGET_PROBE(step_probe, "step")
TARGET_COUNTER(stayed, "stayed")

static atomic_bool staying;

/* With `stay` it goes on until the end of the program. */
TARGET_UPDATED long work(long value, bool stay) {
  if (stay) {
    atomic_store(&staying, true);
    while (target_running()) target_sleep_us(1000);
    target_count(&stayed, 1);
  }
  return value * 3 + 1;
}

TARGET_UPDATED long step(long value) { return value - 3; }

/* Never returns while the target runs: its own replacement cannot be reached, its callee's can. */
TARGET_UPDATED void loop_forever(void) {
  for (long turn = 1; target_running(); turn++) {
    unsigned epoch = target_epoch();
    target_expect(&step_probe, epoch, step(turn), turn - 3, turn - 5, turn - 7);
    target_sleep_us(500);
  }
}

static void *looping(void *argument) {
  (void)argument;
  loop_forever();
  return NULL;
}

static void *inside(void *argument) {
  (void)argument;
  /* An old frame runs to its end as old code, whatever is active by then. */
  if (work(7, true) != 22) target_error("the frame that was inside returned something else");
  return NULL;
}

static void *caller(void *argument) {
  (void)argument;
  for (long turn = 1; target_running(); turn++) {
    unsigned epoch = target_epoch();
    target_expect(&work_probe, epoch, work(turn, false), turn * 3 + 1, turn * 5 + 2, turn * 7 + 3);
    if (turn % 64 == 0) target_sleep_us(4000);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  target_thread(inside, NULL);
  while (!atomic_load(&staying)) target_sleep_us(100);
  target_thread(looping, NULL);
  long threads = target_option_number("threads", 64);
  for (long i = 0; i < threads; i++) target_thread(caller, NULL);
  return target_serve();
}
