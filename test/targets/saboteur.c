/*
 * Does to a target what a careless injector would do, so that tests can show
 * that the targets notice:
 *
 *   saboteur interrupt PID        stops all threads and lets them go, again and again
 *   saboteur vectors PID          changes a vector register of a stopped thread
 *   saboteur general PID          changes rbx
 *   saboteur red-zone PID         writes below the stack pointer
 *   saboteur hold PID             stays attached until standard input closes (says READY)
 */
#include "seize.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <unistd.h>

static struct seized seized;

static void damage(const char *what, int memory, pid_t thread) {
  struct user_regs_struct general;
  struct user_fpregs_struct floating;
  seize_require(ptrace(PTRACE_GETREGS, thread, 0, &general) == 0, "PTRACE_GETREGS");
  if (strcmp(what, "vectors") == 0) {
    seize_require(ptrace(PTRACE_GETFPREGS, thread, 0, &floating) == 0, "PTRACE_GETFPREGS");
    floating.xmm_space[5 * 4] ^= 1;
    seize_require(ptrace(PTRACE_SETFPREGS, thread, 0, &floating) == 0, "PTRACE_SETFPREGS");
  } else if (strcmp(what, "general") == 0) {
    general.rbx ^= 1;
    seize_require(ptrace(PTRACE_SETREGS, thread, 0, &general) == 0, "PTRACE_SETREGS");
  } else if (strcmp(what, "red-zone") == 0) {
    unsigned long word = 0x5ab0;
    pwrite(memory, &word, sizeof word, (off_t)general.rsp - 64);
  }
}

/* Only threads that run user code: the others' registers are not looked at by anyone. */
static bool running(pid_t thread) {
  struct user_regs_struct general;
  return ptrace(PTRACE_GETREGS, thread, 0, &general) == 0 && (long)general.orig_rax < 0;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: saboteur interrupt|vectors|general|red-zone|hold PID\n");
    return 2;
  }
  pid_t pid = atoi(argv[2]);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (strcmp(argv[1], "hold") == 0) {
    char byte;
    seize_all(&seized, pid);
    puts("READY");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    return 0;
  }
  int memory = seize_memory(pid);
  for (int round = 0; round < 20; round++) {
    seize_all(&seized, pid);
    seize_stop(&seized);
    for (int i = 0; i < seized.count; i++) {
      if (running(seized.threads[i])) damage(argv[1], memory, seized.threads[i]);
    }
    seize_release(&seized);
    usleep(5000);
  }
  return 0;
}
