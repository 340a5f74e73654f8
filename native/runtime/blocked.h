/*
 * A system call that a thread has been blocked in since before its memory was guarded. The engine lets the thread go
 * on at `polus_blocked`, with all registers as they are at the return of the call but rcx, which says where that is
 * (the instruction destroys it anyway).
 *
 * The kernel then does as it would have without us. Where it makes the call again, it goes back by the length of a
 * `syscall` (arch/x86/kernel/signal.c), and there the call is made with other memory; where a handler has run that
 * interrupts the call, it fails at once.
 */
#ifndef POLUS_BLOCKED_H
#define POLUS_BLOCKED_H

#include "polus_runtime.h"

/** What the stub has pushed, from the stack pointer on that it calls us with. */
struct blocked {
  uint64_t r15, r14, r13, r12, rbp, rbx, r9, r8, r10, rdx, rsi, rdi, rax, flags, rip;
};

#endif
