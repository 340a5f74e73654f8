#include "run.h"

#include <stddef.h>

#include "context.h"

struct run polus_current;

_Static_assert(offsetof(struct run, flags) == 128 && offsetof(struct run, own_stack) == 136 &&
                   offsetof(struct run, code) == 144, "as below");
_Static_assert(CONTEXT_R8 == 0 && CONTEXT_R15 == 7 && CONTEXT_RDI == 8 && CONTEXT_RSI == 9 && CONTEXT_RBP == 10 &&
                   CONTEXT_RBX == 11 && CONTEXT_RDX == 12 && CONTEXT_RAX == 13 && CONTEXT_RCX == 14 &&
                   CONTEXT_RSP == 15, "as below");

/* mov leaves the flags alone, so they are loaded first and looked at last. */
__asm__(
    ".text\n"
    ".hidden polus_current\n"
    ".globl polus_run\n.hidden polus_run\n.type polus_run, @function\n"
    "polus_run:\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, polus_current+136(%rip)\n"
    "  pushq polus_current+128(%rip)\n  popfq\n"
    "  mov polus_current+0(%rip), %r8\n  mov polus_current+8(%rip), %r9\n"
    "  mov polus_current+16(%rip), %r10\n  mov polus_current+24(%rip), %r11\n"
    "  mov polus_current+32(%rip), %r12\n  mov polus_current+40(%rip), %r13\n"
    "  mov polus_current+48(%rip), %r14\n  mov polus_current+56(%rip), %r15\n"
    "  mov polus_current+64(%rip), %rdi\n  mov polus_current+72(%rip), %rsi\n"
    "  mov polus_current+80(%rip), %rbp\n  mov polus_current+88(%rip), %rbx\n"
    "  mov polus_current+96(%rip), %rdx\n  mov polus_current+104(%rip), %rax\n"
    "  mov polus_current+112(%rip), %rcx\n  mov polus_current+120(%rip), %rsp\n"
    "  notrack jmp *polus_current+144(%rip)\n"
    ".size polus_run, . - polus_run\n"
    ".globl polus_run_end\n.hidden polus_run_end\n.type polus_run_end, @function\n"
    "polus_run_end:\n"
    "  mov %r8, polus_current+0(%rip)\n  mov %r9, polus_current+8(%rip)\n"
    "  mov %r10, polus_current+16(%rip)\n  mov %r11, polus_current+24(%rip)\n"
    "  mov %r12, polus_current+32(%rip)\n  mov %r13, polus_current+40(%rip)\n"
    "  mov %r14, polus_current+48(%rip)\n  mov %r15, polus_current+56(%rip)\n"
    "  mov %rdi, polus_current+64(%rip)\n  mov %rsi, polus_current+72(%rip)\n"
    "  mov %rbp, polus_current+80(%rip)\n  mov %rbx, polus_current+88(%rip)\n"
    "  mov %rdx, polus_current+96(%rip)\n  mov %rax, polus_current+104(%rip)\n"
    "  mov %rcx, polus_current+112(%rip)\n  mov %rsp, polus_current+120(%rip)\n"
    "  mov polus_current+136(%rip), %rsp\n"
    "  pushfq\n  popq polus_current+128(%rip)\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  ret\n"
    ".size polus_run_end, . - polus_run_end\n");
