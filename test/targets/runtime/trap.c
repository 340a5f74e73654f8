/*
 * What one caught store costs, beside the least that any handler can do: taking SIGSEGV, stepping over the
 * instruction, returning; and what it costs where a jump to a stub stands in its place. In turns, in one process.
 *
 *     trap ROUNDS STORES     prints one line a round, nanoseconds: a bare handler, a caught store, a store in a
 *                            stub to an object, and to what merely lies on its page
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

enum { SLOW = 10, STUB_AT = 256, ENTRY = 112, SITE = 120 };

/* mov %esi,(%rdi); mov $1,%eax; ret */
static const uint8_t function[] = {0x89, 0x37, 0xb8, 1, 0, 0, 0, 0xc3};
/* As native/data/site_stub.ts has it; the last jump's distance is put in. */
static const uint8_t stub[] = {
    0x48, 0x8d, 0x64, 0x24, 0x80,                   /* lea -128(%rsp),%rsp */
    0xff, 0x15, ENTRY - 11, 0, 0, 0,                /* call *entry */
    0xff, 0x64, 0x24, 0xf0,                         /* jmp *-16(%rsp) */
    0x48, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0,          /* instead: lea 128(%rsp),%rsp */
    0x89, 0x37, 0xeb, 8,                            /* the store; jmp rest */
    0x48, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0,          /* behind: lea 128(%rsp),%rsp */
    0xb8, 1, 0, 0, 0, 0xe9,                         /* rest, and back */
};
enum { INSTEAD = 15, BEHIND = 27 };

typedef int direct_store(int *at, int value);

/* A function whose store is not caught any more. */
static direct_store *direct(void) {
  uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) exit(3);
  uint8_t *at = code + STUB_AT;
  memcpy(code, function, sizeof function);
  memcpy(at, stub, sizeof stub);
  int32_t back = (int32_t)(code + 7 - (at + sizeof stub + 4)), there = (int32_t)(at - (code + 5));
  memcpy(at + sizeof stub, &back, sizeof back);
  long number = good(runtime.site((uint64_t)code, code, sizeof function, (uint64_t)at), "site");
  struct polus_site *site = &runtime.sites[number];
  site->instead = (uint64_t)at + INSTEAD;
  site->behind = (uint64_t)at + BEHIND;
  memcpy(at + ENTRY, &runtime.site_entry, sizeof runtime.site_entry);
  memcpy(at + SITE, &site, sizeof site);
  good(runtime.gate(1), "gate");
  code[0] = 0xe9;
  memcpy(code + 1, &there, sizeof there);
  return (direct_store *)code;
}

static double direct_time_of(direct_store *to, int *at, int stores) {
  double start = now();
  for (int i = 0; i < stores; i++) to(at, i);
  return (now() - start) / stores;
}

int main(int count, char **words) {
  int rounds = count > 1 ? atoi(words[1]) : 5, stores = count > 2 ? atoi(words[2]) : 20000;
  int *closed = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  old = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (closed == MAP_FAILED || old == MAP_FAILED) return 3;
  runtime = load_runtime();
  long set = good(runtime.set(), "set");
  long item = ADD_ITEM(&runtime, set, sizeof(struct record), sizeof(struct record_v2), up, down);
  good(runtime.add(item, old), "add");
  good(runtime.begin(set, POLUS_OLD), "begin");
  finish(&runtime, set);
  struct sigaction ours, mine = {.sa_sigaction = bare, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigfillset(&mine.sa_mask);
  direct_store *to = direct();
  for (int round = -1; round < rounds; round++) {
    sigaction(SIGSEGV, &mine, &ours);
    double least = time_of(closed, stores);
    sigaction(SIGSEGV, &ours, NULL);
    double caught = time_of(&old->hits, stores);
    const struct record_v2 *new = runtime.twin_of(old);
    if (old->hits != stores - 1 || new->hits != stores - 1) return 1;
    double in_stub = direct_time_of(to, &old->hits, SLOW * stores);
    if (old->hits != SLOW * stores - 1 || new->hits != SLOW * stores - 1) return 1;
    double beside = direct_time_of(to, (int *)old + 512, SLOW * stores);
    if (((int *)old)[512] != SLOW * stores - 1) return 1;
    if (round >= 0) printf("%.1f %.1f %.1f %.1f\n", least, caught, in_stub, beside);
  }
  return 0;
}
