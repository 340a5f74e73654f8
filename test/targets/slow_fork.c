/*
 * A thread that forks again and again, which takes long: much memory in small pages. Each of its children lives for
 * a moment, and is waited for.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target.h"

enum { BALLAST = 256 << 20 };

TARGET_COUNTER(forks_begun, "forks_begun")
TARGET_COUNTER(forks_done, "forks_done")

static void *forker(void *argument) {
  (void)argument;
  while (target_running()) {
    target_count(&forks_begun, 1);
    pid_t child = fork();
    if (child == 0) {
      target_sleep_us(300000);
      _exit(0);
    }
    target_count(&forks_done, 1);
    if (child < 0 || waitpid(child, NULL, 0) != child) target_error("a fork failed");
    target_sleep_us(20000);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  char *ballast = mmap(NULL, BALLAST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (ballast == MAP_FAILED || madvise(ballast, BALLAST, MADV_NOHUGEPAGE) != 0) abort();
  memset(ballast, 1, BALLAST);
  target_thread(forker, NULL);
  return target_serve();
}
