/*
 * A list of children that shrinks from its beginning while somebody may be reading it: many that have ended, then
 * one that stays, whose name is "staying". Threads that end hand theirs on to another.
 */
#include "target.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

TARGET_COUNTER(staying, "staying")

enum { ROUNDS = 24, BRIEF = 120 };

static pid_t stay(void) {
  pid_t parent = getpid(), pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_NAME, "staying");
  while (getppid() == parent) target_sleep_us(20000);
  _exit(0);
}

static void *bear(void *argument) {
  pid_t *pids = argument;
  for (int i = 0; i < BRIEF; i++) {
    pids[i] = fork();
    if (pids[i] == 0) _exit(0);
    if (pids[i] < 0) target_error("a child cannot be started");
  }
  if (stay() < 0) target_error("a child cannot be started");
  target_count(&staying, 1);
  return NULL;
}

static void *rounds(void *argument) {
  (void)argument;
  for (int round = 0; round < ROUNDS && target_running(); round++) {
    pid_t pids[BRIEF];
    pthread_t mother;
    if (round % 2 == 0) {
      bear(pids);
    } else if (pthread_create(&mother, NULL, bear, pids) != 0 || pthread_join(mother, NULL) != 0) {
      target_error("a thread cannot be started");
    }
    target_sleep_us(20000);
    for (int i = 0; i < BRIEF; i++) {
      if (waitpid(pids[i], NULL, 0) != pids[i]) target_error("a child cannot be reaped");
    }
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  target_thread(rounds, NULL);
  return target_serve();
}
