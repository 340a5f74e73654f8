/*
 * Executes itself anew when asked: `exec`, or `exec MS` for that many
 * milliseconds later. The new image says READY again and has only old code.
 */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TARGET_PROBE(answer_probe, "answer")

static char **own_arguments;
static atomic_long exec_at;

TARGET_UPDATED long answer(long question) { return question * 3 + 1; }

static void *caller(void *argument) {
  (void)argument;
  for (long turn = 1; target_running(); turn++) {
    unsigned epoch = target_epoch();
    target_expect(&answer_probe, epoch, answer(turn), turn * 3 + 1, turn * 5 + 2, turn * 7 + 3);
    if (turn % 64 == 0) target_sleep_us(300);
  }
  return NULL;
}

/* exec from a thread other than the leader: the kernel ends all others and hands over the pid. */
static void *executor(void *argument) {
  (void)argument;
  while (target_running()) {
    long at = atomic_load(&exec_at);
    if (at != 0 && target_now_ns() >= at) {
      execv("/proc/self/exe", own_arguments);
      target_error("execv failed");
      atomic_store(&exec_at, 0);
    }
    target_sleep_us(200);
  }
  return NULL;
}

static bool on_command(const char *line, char *reply, size_t size) {
  if (strncmp(line, "exec", 4) != 0) return false;
  atomic_store(&exec_at, target_now_ns() + atol(line + 4) * 1000000L);
  snprintf(reply, size, "\"executing\":true");
  return true;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  own_arguments = argv;
  target_on_command(on_command);
  for (int i = 0; i < 3; i++) target_thread(caller, NULL);
  target_thread(executor, NULL);
  return target_serve();
}
