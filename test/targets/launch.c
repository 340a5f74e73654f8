/*
 * Starts a program as its parent, so that the test process is not: Node reaps
 * its own children, and would take a tracer's stop notifications with them.
 *
 *   launch [--pid-namespace] PROGRAM ARGUMENTS…
 *
 * Writes to descriptor 3, a line each: `pid N` at once, `stopped N` and
 * `continued` for what a parent sees of job control, at the end `exited CODE` or
 * `killed SIGNAL`. Dies with its own parent, and takes the program with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what) {
  fprintf(stderr, "launch: %s: %s\n", what, strerror(errno));
  return 125;
}

int main(int argc, char **argv) {
  int first = 1;
  fcntl(3, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (argc > 1 && strcmp(argv[1], "--pid-namespace") == 0) {
    if (unshare(CLONE_NEWPID) != 0) return fail("unshare");
    first++;
  }
  if (first >= argc) return fail("no program");
  pid_t child = fork();
  if (child < 0) return fail("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(argv[first], argv + first);
    _exit(fail(argv[first]));
  }
  /* The program alone holds its ends of the pipes: it must see them closed. */
  close(STDIN_FILENO);
  close(STDOUT_FILENO);
  dprintf(3, "pid %d\n", (int)child);
  for (;;) {
    int status;
    if (waitpid(child, &status, WUNTRACED | WCONTINUED) != child) {
      if (errno == EINTR) continue;
      return fail("waitpid");
    }
    if (WIFSTOPPED(status)) {
      dprintf(3, "stopped %d\n", WSTOPSIG(status));
    } else if (WIFCONTINUED(status)) {
      dprintf(3, "continued\n");
    } else {
      if (WIFEXITED(status)) dprintf(3, "exited %d\n", WEXITSTATUS(status));
      else dprintf(3, "killed %d\n", WTERMSIG(status));
      return 0;
    }
  }
}
