/*
 * A tree of processes: sessions that live long (with threads of their own),
 * and children and grandchildren that are forked all the time. Two functions
 * are updated together; no process may see one new and the other old.
 *
 *   --sessions=N   long-lived children, default 3
 *   --quiet        no short-lived ones
 *   --vfork        also vfork and exec of another program meanwhile
 *   --life=N       the short-lived ones live so many times longer
 *   --hold=MS      a thread that waits, again and again, for a child that uses the memory for so long
 */
#include "target.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TARGET_PROBE(parent_probe, "parent")
TARGET_PROBE(session_probe, "session")
TARGET_PROBE(child_probe, "child")
TARGET_PROBE(grandchild_probe, "grandchild")
TARGET_COUNTER(children_ended, "children_ended")
TARGET_COUNTER(programs_run, "programs_run")

static char *own_path;

TARGET_UPDATED long first(long value) { return value + 1; }
TARGET_UPDATED long second(long value) { return value * 2; }

/* One look at both functions; `first` twice, so that a flip in between is no error. */
static void ask(const struct target_probe *probe, long turn) {
  unsigned epoch = target_epoch();
  long before = first(turn) - turn;
  long between = second(turn) - turn * 2;
  long after = first(turn) - turn;
  /* 1, 1001, 2001 and 0, 1000, 2000 */
  if (before == after && before != between + 1) {
    target_error("%s: first adds %ld, second %ld", probe->name, before, between);
  }
  target_expect(probe, epoch, before, 1, 1001, 2001);
}

static void begin_child(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

/* Waits for one child and requires that it ended well. */
static void reap(pid_t child, const char *what) {
  int status = 0;
  if (child < 0) {
    target_error("fork of a %s: %s", what, strerror(errno));
    return;
  }
  if (waitpid(child, &status, 0) != child) target_error("waitpid of a %s: %s", what, strerror(errno));
  else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    target_error("a %s ended with status %x", what, status);
  }
  target_count(&children_ended, 1);
}

/* Pauses are spread, so that forks come at any moment of an update. */
static void live(const struct target_probe *probe, long seed, int turns) {
  long all = turns * target_option_number("life", 1);
  for (long turn = 1; turn <= all && target_running(); turn++) {
    ask(probe, seed + turn);
    if (turn % 8 == 0) target_sleep_us(100 + seed * 37 % 3000);
  }
}

static void run_program(bool by_vfork) {
  pid_t child = by_vfork ? vfork() : fork();
  if (child == 0) {
    execl(own_path, own_path, "--executed", (char *)NULL);
    _exit(9);
  }
  reap(child, by_vfork ? "program started by vfork" : "program started by fork");
  target_count(&programs_run, 1);
}

static void *forker(void *argument) {
  for (long turn = (long)argument; target_running(); turn++) {
    pid_t child = fork();
    if (child == 0) {
      begin_child();
      live(&child_probe, turn, 40);
      pid_t grandchild = fork();
      if (grandchild == 0) {
        begin_child();
        live(&grandchild_probe, turn, 40);
        _exit(0);
      }
      live(&child_probe, turn, 20);
      reap(grandchild, "grandchild");
      _exit(0);
    }
    if (target_option("vfork") && turn % 4 == 0) run_program(turn % 8 == 0);
    live(&parent_probe, turn, 20);
    reap(child, "child");
  }
  return NULL;
}

static void *holder(void *argument) {
  long ms = (long)argument;
  while (target_running()) {
    pid_t child = vfork();
    if (child == 0) {
      struct timespec time = {ms / 1000, ms % 1000 * 1000000};
      nanosleep(&time, NULL);
      execl(own_path, own_path, "--executed", (char *)NULL);
      _exit(9);
    }
    reap(child, "program started by vfork after a while");
    target_sleep_us(20000);
  }
  return NULL;
}

static void *caller(void *argument) {
  const struct target_probe *probe = argument;
  for (long turn = 1; target_running(); turn++) {
    ask(probe, turn);
    if (turn % 32 == 0) target_sleep_us(1000);
  }
  return NULL;
}

static void session(void) {
  pthread_t threads[2];
  begin_child();
  for (int i = 0; i < 2; i++) {
    if (pthread_create(&threads[i], NULL, caller, &session_probe) != 0) abort();
  }
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  _exit(0);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--executed") == 0) return 0;
  target_begin(argc, argv);
  own_path = argv[0];
  long sessions = target_option_number("sessions", 3);
  pid_t started[64];
  if (sessions > 64) abort();
  for (long i = 0; i < sessions; i++) {
    started[i] = fork();
    if (started[i] == 0) session();
  }
  target_thread(caller, &parent_probe);
  if (!target_option("quiet")) {
    for (long i = 0; i < 3; i++) target_thread(forker, (void *)(i * 1000 + 1));
  }
  if (target_option("hold")) target_thread(holder, (void *)target_option_number("hold", 0));
  int status = target_serve();
  for (long i = 0; i < sessions; i++) {
    int ended = 0;
    if (waitpid(started[i], &ended, 0) != started[i] || ended != 0) status = 3;
  }
  return status;
}
