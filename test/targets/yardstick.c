/*
 * The least that anybody can do who writes into running code by stopping it:
 *
 *   yardstick PID ADDRESS
 *
 * attaches to all threads, stops them all, writes the five bytes that stand at
 * ADDRESS again, and lets all go. Prints the time between the first interrupt
 * and the last release in microseconds, and the number of threads.
 */
#include "seize.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

int main(int argc, char **argv) {
  static struct seized seized;
  unsigned char bytes[5];
  if (argc != 3) {
    fprintf(stderr, "usage: yardstick PID ADDRESS\n");
    return 2;
  }
  pid_t pid = atoi(argv[1]);
  off_t address = strtol(argv[2], NULL, 0);
  int memory = seize_memory(pid);
  seize_require(pread(memory, bytes, sizeof bytes, address) == sizeof bytes, "read");
  /* Once before the stop, so that copying the page is not part of it. */
  seize_require(pwrite(memory, bytes, sizeof bytes, address) == sizeof bytes, "write");
  seize_all(&seized, pid);
  long begin = now_us();
  seize_stop(&seized);
  int threads = seized.count;
  seize_require(pwrite(memory, bytes, sizeof bytes, address) == sizeof bytes, "write");
  seize_release(&seized);
  printf("{\"stopped_us\":%ld,\"threads\":%d}\n", now_us() - begin, threads);
  return 0;
}
