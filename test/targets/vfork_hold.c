/*
 * A thread in vfork: it sleeps uninterruptibly until the child, which shares
 * its memory and runs the same code, execs or exits.
 *
 *   --hold-ms=N   how long each child takes; default 0: until the end
 */
#include "target.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

TARGET_PROBE(answer_probe, "answer")
TARGET_PROBE(child_probe, "child")
TARGET_COUNTER(holds, "holds")

static long hold_ms;
static atomic_bool held;

TARGET_UPDATED long answer(long question) { return question * 3 + 1; }

static void ask(const struct target_probe *probe, long turn) {
  unsigned epoch = target_epoch();
  target_expect(probe, epoch, answer(turn), turn * 3 + 1, turn * 5 + 2, turn * 7 + 3);
}

/* The child calls the updated function from within the parent's memory. */
static void hold(void) {
  long until = target_now_ns() + hold_ms * 1000000L;
  pid_t child = vfork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    atomic_store(&held, true);
    for (long turn = 1; target_running() && (hold_ms == 0 || target_now_ns() < until); turn++) {
      ask(&child_probe, turn);
      target_sleep_us(1000);
    }
    _exit(5);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 5) {
    target_error("the child of vfork ended with %x", status);
  }
  target_count(&holds, 1);
}

static void *holder(void *argument) {
  (void)argument;
  while (target_running()) {
    hold();
    if (hold_ms) target_sleep_us(hold_ms * 500);
  }
  return NULL;
}

static void *caller(void *argument) {
  (void)argument;
  for (long turn = 1; target_running(); turn++) {
    ask(&answer_probe, turn);
    if (turn % 64 == 0) target_sleep_us(300);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  hold_ms = target_option_number("hold-ms", 0);
  target_thread(holder, NULL);
  for (int i = 0; i < 3; i++) target_thread(caller, NULL);
  while (!atomic_load(&held)) target_sleep_us(100);
  return target_serve();
}
