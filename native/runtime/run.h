/* Jumps into a copied instruction with another thread's registers, and back. Internal to the executor. */
#ifndef POLUS_RUN_H
#define POLUS_RUN_H

#include <stdint.h>

/** What is loaded and stored again; one at a time, under the runtime's lock. run.c knows the offsets. */
struct run {
  uint64_t registers[16]; /* in the order of enum context_register, without rip */
  uint64_t flags;
  uint64_t own_stack;
  const void *code; /* ends with a jump to polus_run_end, through memory: no register is free */
};

/* Hidden, so that they are reached without a relocation. */
extern struct run polus_current __attribute__((visibility("hidden")));

/** Runs `polus_current.code`. No signal may arrive: rsp is the thread's, and may hold anything. */
void polus_run(void) __attribute__((visibility("hidden")));

/** Where the code goes on; not to be called. */
void polus_run_end(void) __attribute__((visibility("hidden")));

#endif
