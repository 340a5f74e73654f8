/*
 * Functions whose callers were compiled together with them, so that gcc keeps values in registers
 * that the ABI would let them change (-fipa-ra). With --naive a function is exchanged as a tool
 * would that does not know of this: its first bytes become a jump.
 */
#include "target.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

TARGET_PROBE(integers_probe, "integers")
TARGET_PROBE(floats_probe, "floats")
TARGET_PROBE(result_probe, "result")
TARGET_PROBE(passed_on_probe, "passed_on")
TARGET_PROBE(indirect_probe, "indirect")
TARGET_PROBE(lonely_probe, "lonely")

static volatile long touched;
static const char *volatile text = "four";

/* Each leaves most registers alone. */
__attribute__((noinline, used)) static long weigh(long x) { return x + touched; }
__attribute__((noinline, used)) static double scale(double x) { return x * 2; }
__attribute__((noinline, used)) static void touch(void) { touched = 0; }
__attribute__((noinline, used)) static void touch_deeper(void) { touch(); }
/* Called by pointer only: nobody can know what it leaves alone. */
__attribute__((noinline, used)) static long lonely(long x) { return x - touched; }
static long (*volatile lonely_pointer)(long) = lonely;

__attribute__((noinline)) static long integers(long a, long b, long c, long d) {
  return weigh(a) + b * 3 + c * 5 + d * 7;
}

__attribute__((noinline)) static double floats(double a, double b, double c) {
  return scale(a) + b * 3 + c * 5;
}

/* What it returns is ready before the call. */
__attribute__((noinline)) static long result(long a) {
  long ready = a * 3 + 1;
  __asm__ volatile("" : "+r"(ready));
  touch();
  return ready;
}

/* What the library is to get is ready before the call. */
__attribute__((noinline)) static size_t passed_on(const char *string) {
  touch();
  return strnlen(string, 64);
}

__attribute__((noinline)) static long indirect(long a, long b) {
  touch_deeper();
  return a * 3 + b;
}

/* A new version that uses the registers that the ABI gives it. */
__attribute__((noinline, used)) static long weigh_naive(long x) {
  __asm__ volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; xor %%esi, %%esi; xor %%edi, %%edi;"
                   "xor %%r8d, %%r8d; xor %%r9d, %%r9d; xor %%r10d, %%r10d; xor %%r11d, %%r11d"
                   : "+a"(x)
                   :
                   : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc");
  return x;
}

static void exchange_naively(void) {
  uint8_t *entry = (uint8_t *)(uintptr_t)weigh;
  uintptr_t page = (uintptr_t)entry & ~(uintptr_t)4095;
  int32_t distance = (int32_t)((uintptr_t)weigh_naive - ((uintptr_t)entry + 5));
  if (mprotect((void *)page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) perror("mprotect");
  entry[0] = 0xe9;
  memcpy(entry + 1, &distance, sizeof distance);
}

static void *caller(void *argument) {
  long a = (long)argument;
  for (unsigned turn = 0; target_running(); turn++, a = a % 100000 + 1) {
    unsigned epoch = target_epoch();
    long sum = a + (a + 1) * 3 + (a + 2) * 5 + (a + 3) * 7;
    target_expect(&integers_probe, epoch, integers(a, a + 1, a + 2, a + 3), sum, sum + 1000,
                  sum + 2000);
    epoch = target_epoch();
    long product = a * 2 + (a + 1) * 3 + (a + 2) * 5;
    target_expect(&floats_probe, epoch, (long)floats((double)a, (double)(a + 1), (double)(a + 2)),
                  product, product + 1000, product + 2000);
    epoch = target_epoch();
    target_expect(&result_probe, epoch, result(a) + touched, a * 3 + 1, a * 3 + 1001, a * 3 + 2001);
    touched = 0;
    epoch = target_epoch();
    target_expect(&passed_on_probe, epoch, (long)passed_on(text) + touched, 4, 1004, 2004);
    touched = 0;
    epoch = target_epoch();
    target_expect(&indirect_probe, epoch, indirect(a, a + 1) + touched, a * 4 + 1, a * 4 + 1001,
                  a * 4 + 2001);
    touched = 0;
    epoch = target_epoch();
    target_expect(&lonely_probe, epoch, lonely_pointer(a), a, a + 1000, a + 2000);
    if (turn % 64 == 0) target_sleep_us(200);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  if (target_option("naive") != NULL) exchange_naively();
  /* One thread: `touched` is everybody's. */
  target_thread(caller, (void *)1);
  return target_serve();
}
