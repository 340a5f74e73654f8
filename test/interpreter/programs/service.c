/*
 * A busy program for the REPL: threads that call `work` without pause and measure their longest gap. Each
 * line on standard input is answered with what they saw; its end ends the program.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct point {
  int x, y;
};

struct session {
  char name[16];
  struct point position;
  struct session *next;
};

struct session last = {"last", {7, 8}, 0};
struct session first = {"first", {1, 2}, &last};
int counter = 3;

static _Atomic int result;
static _Atomic long longest_gap, calls;

__attribute__((noinline)) int work(int x) {
  if (counter < 0) return 0;
  return x * 2 + (first.position.x - 1);
}

static long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000L + time.tv_nsec;
}

static void *serve(void *unused) {
  (void)unused;
  long before = now();
  for (;;) {
    usleep(500);
    atomic_store(&result, work(21));
    atomic_fetch_add(&calls, 1);
    long after = now(), gap = after - before;
    if (gap > atomic_load(&longest_gap)) atomic_store(&longest_gap, gap);
    before = after;
  }
  return 0;
}

int main(void) {
  for (int i = 0; i < 3; i++) {
    pthread_t thread;
    if (pthread_create(&thread, 0, serve, 0) != 0) return 1;
  }
  puts("READY");
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof line, stdin)) {
    printf("{\"counter\":%d,\"result\":%d,\"calls\":%ld,\"longest_gap_ms\":%ld}\n", counter,
           atomic_load(&result), atomic_load(&calls), atomic_load(&longest_gap) / 1000000);
    fflush(stdout);
  }
  return 0;
}
