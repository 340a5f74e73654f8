/* The machine context that the kernel lays on the stack for a signal handler (uapi asm/ucontext.h, asm/sigcontext.h). */
#ifndef POLUS_CONTEXT_H
#define POLUS_CONTEXT_H

#include <stdint.h>

/* Order of struct sigcontext_64. */
enum context_register {
  CONTEXT_R8, CONTEXT_R9, CONTEXT_R10, CONTEXT_R11, CONTEXT_R12, CONTEXT_R13, CONTEXT_R14, CONTEXT_R15,
  CONTEXT_RDI, CONTEXT_RSI, CONTEXT_RBP, CONTEXT_RBX, CONTEXT_RDX, CONTEXT_RAX, CONTEXT_RCX, CONTEXT_RSP,
  CONTEXT_RIP, CONTEXT_REGISTERS,
};

struct context {
  uint64_t registers[CONTEXT_REGISTERS];
  uint64_t flags;
  uint16_t cs, gs, fs, ss;
  uint64_t error; /* page fault error code: bit 1 = a write */
  uint64_t trap;  /* 14 = page fault, 1 = debug */
  uint64_t old_mask;
  uint64_t cr2; /* the address that faulted */
  void *fpstate; /* fxsave area, extended by xsave: sw_reserved at 464 says how */
  uint64_t reserved[8];
};

struct user_context {
  uint64_t flags;
  struct user_context *link;
  struct { void *sp; int32_t flags; uint64_t size; } stack;
  struct context context;
  uint64_t mask; /* signals blocked when the handler returns */
};

/** From an encoded register number (0 = rax, 1 = rcx, 2 = rdx, 3 = rbx, 4 = rsp …) to its place. */
uint64_t *polus_register(struct context *context, unsigned number);

#endif
