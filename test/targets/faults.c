/*
 * A program with its own SIGSEGV and SIGTRAP handlers, on alternate stacks: it
 * faults on purpose, inside and outside the updated function, and counts. Each
 * fault must reach its handler, exactly once, with the right address.
 */
#include "target.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

TARGET_PROBE(fetch_probe, "fetch")
TARGET_COUNTER(faults, "faults")
TARGET_COUNTER(traps, "traps")

static __thread sigjmp_buf recovery;
static __thread volatile sig_atomic_t guarded;
static __thread volatile long trapped;
static volatile char *forbidden;

/* Adds 1 to what `where` points to; faults when it points to the forbidden page. */
TARGET_UPDATED long fetch(const volatile char *where) { return *where + 1; }

static void on_fault(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  if (!guarded || info->si_addr != (void *)forbidden) {
    target_error("a fault at %p that nobody asked for", info->si_addr);
    abort();
  }
  siglongjmp(recovery, 1);
}

static void on_trap(int number, siginfo_t *info, void *context) {
  (void)number, (void)info, (void)context;
  trapped++;
}

static void *faulting(void *argument) {
  (void)argument;
  stack_t alternate = {.ss_size = 64 * 1024};
  alternate.ss_sp = malloc(alternate.ss_size);
  if (!alternate.ss_sp || sigaltstack(&alternate, NULL) != 0) abort();
  volatile char cell = 5;
  for (volatile long turn = 1; target_running(); turn++) {
    unsigned epoch = target_epoch();
    target_expect(&fetch_probe, epoch, fetch(&cell), 6, 7, 8);
    if (sigsetjmp(recovery, 1) == 0) {
      guarded = 1;
      fetch(forbidden);
      target_error("the forbidden page could be read");
    }
    guarded = 0;
    target_count(&faults, 1);

    long before = trapped;
    __asm__ volatile("int3");
    if (trapped != before + 1) target_error("a breakpoint of the program's own was lost");
    target_count(&traps, 1);
    if (turn % 16 == 0) target_sleep_us(500);
  }
  alternate.ss_flags = SS_DISABLE;
  sigaltstack(&alternate, NULL);
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (forbidden == MAP_FAILED) abort();
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  action.sa_sigaction = on_fault;
  sigaction(SIGSEGV, &action, NULL);
  action.sa_sigaction = on_trap;
  sigaction(SIGTRAP, &action, NULL);
  for (int i = 0; i < 3; i++) target_thread(faulting, NULL);
  return target_serve();
}
