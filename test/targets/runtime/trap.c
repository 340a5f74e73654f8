/*
 * What one caught store costs, beside the least that any handler can do: taking SIGSEGV, stepping over the
 * instruction, returning. Both in turns, in one process.
 *
 *     trap ROUNDS STORES     prints one line a round: nanoseconds of a bare handler, of a caught store
 */
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#include "loaded.h"

struct record {
  int hits, a, b;
  long sum;
};
struct record_v2 {
  long sum, hits, b, a, more;
};

static struct runtime runtime;
static struct record *old;

static void up(const void *from, void *to) {
  const struct record *one = from;
  struct record_v2 *other = to;
  other->sum = one->sum, other->hits = one->hits, other->b = one->b, other->a = one->a;
}
static void down(const void *from, void *to) {
  const struct record_v2 *one = from;
  struct record *other = to;
  other->sum = one->sum, other->hits = (int)one->hits, other->b = (int)one->b, other->a = (int)one->a;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* The store is two bytes long: mov %eax,(%rdi). */
__attribute__((noinline)) static void store(int *at, int value) {
  __asm__ volatile("movl %1, (%0)" : : "D"(at), "a"(value) : "memory");
}

static void bare(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static double time_of(int *at, int stores) {
  double start = now();
  for (int i = 0; i < stores; i++) store(at, i);
  return (now() - start) / stores;
}

int main(int count, char **words) {
  int rounds = count > 1 ? atoi(words[1]) : 5, stores = count > 2 ? atoi(words[2]) : 20000;
  int *closed = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  old = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (closed == MAP_FAILED || old == MAP_FAILED) return 3;
  runtime = load_runtime();
  long set = good(runtime.set(), "set");
  long item = good(runtime.item(set, sizeof(struct record), sizeof(struct record_v2), up, down), "item");
  good(runtime.add(item, old), "add");
  good(runtime.begin(set, POLUS_OLD), "begin");
  finish(&runtime, set);
  struct sigaction ours, mine = {.sa_sigaction = bare, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigfillset(&mine.sa_mask);
  for (int round = -1; round < rounds; round++) {
    sigaction(SIGSEGV, &mine, &ours);
    double least = time_of(closed, stores);
    sigaction(SIGSEGV, &ours, NULL);
    double caught = time_of(&old->hits, stores);
    const struct record_v2 *new = runtime.twin_of(old);
    if (old->hits != stores - 1 || new->hits != stores - 1) return 1;
    if (round >= 0) printf("%.1f %.1f\n", least, caught);
  }
  return 0;
}
