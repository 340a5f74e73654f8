/*
 * answers FILE CHILDREN: a process and its children, each of which keeps writing what its own
 * answer() says into its slot of FILE (an array of int). Prints the pids, the parent's first.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static int calls;

/* The value counts up in its low part, so that a reader sees whether the process goes on. */
__attribute__((noipa)) int answer(int slot) {
  calls++;
  return 100000 + slot * 10000 + calls % 10000;
}

__attribute__((noipa)) int unrelated(int value) { return value + calls; }

__attribute__((noreturn)) static void serve(volatile int *slots, int slot) {
  for (;;) {
    slots[slot] = answer(slot);
    usleep(1000);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int file = open(argv[1], O_RDWR);
  int children = atoi(argv[2]);
  int *slots = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (slots == MAP_FAILED || children < 0 || children > 9) return 2;
  pid_t parent = getpid();
  printf("%d", parent);
  fflush(stdout);
  for (int i = 1; i <= children; i++) {
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) return 1;
      serve(slots, i);
    }
    printf(" %d", child);
  }
  printf("\n");
  fflush(stdout);
  if (unrelated(children) < 0) return 1;
  serve(slots, 0);
}
