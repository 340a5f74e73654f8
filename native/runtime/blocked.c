/*
 * A system call that a thread has been blocked in since before its memory was guarded. The engine lets the thread go
 * on at `polus_blocked`, with all registers as they are at the return of the call but rcx, which says where that is
 * (the instruction destroys it anyway).
 *
 * The kernel then does as it would have without us. Where it makes the call again, it goes back by the length of a
 * `syscall` (arch/x86/kernel/signal.c), and there the call is made with other memory; where a handler has run that
 * interrupts the call, it fails at once.
 */
#include "bounce.h"
#include "syscalls.h"

/** What the stub has pushed, from the stack pointer on that it calls us with. */
struct blocked {
  uint64_t r15, r14, r13, r12, rbp, rbx, r9, r8, r10, rdx, rsi, rdi, rax, flags, rip;
};

void polus_blocked_make(struct blocked *call) __attribute__((visibility("hidden")));

_Static_assert(sizeof(struct blocked) == 15 * 8 && offsetof(struct blocked, rax) == 12 * 8, "as below");

/* The red zone is the program's; below it lies a struct blocked. */
__asm__(
    ".pushsection .text\n"
    ".globl polus_blocked\n.type polus_blocked, @function\n"
    "  jmp 1f\n" /* as long as `syscall` */
    "polus_blocked:\n"
    "  notrack jmp *%rcx\n"
    "1: lea -128(%rsp), %rsp\n"
    "  push %rcx\n  pushfq\n"
    "  push %rax\n  push %rdi\n  push %rsi\n  push %rdx\n  push %r10\n  push %r8\n  push %r9\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, %rdi\n  mov %rsp, %rbp\n"
    /* For the time in which it waits: where the program's registers are, and its stack pointer is. */
    ".cfi_startproc simple\n.cfi_def_cfa %rbp, 248\n.cfi_offset %rip, -136\n"
    ".cfi_offset %rbx, -208\n.cfi_offset %rbp, -216\n.cfi_offset %r12, -224\n"
    ".cfi_offset %r13, -232\n.cfi_offset %r14, -240\n.cfi_offset %r15, -248\n"
    "  and $-16, %rsp\n  cld\n"
    "  call polus_blocked_make\n"
    "  mov %rbp, %rsp\n"
    ".cfi_endproc\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  pop %r9\n  pop %r8\n  pop %r10\n  pop %rdx\n  pop %rsi\n  pop %rdi\n  pop %rax\n"
    "  popfq\n  pop %rcx\n  lea 128(%rsp), %rsp\n"
    "  notrack jmp *%rcx\n"
    ".size polus_blocked, . - polus_blocked\n"
    ".popsection\n");

/* Calls that may wait and write into memory, and take the same arguments as the C library's functions. */
static int hook_of(uint64_t number, enum hook_number *hook) {
  switch (number) {
    case SYS_read: return *hook = HOOK_read, 1;
    case SYS_readv: return *hook = HOOK_readv, 1;
    case SYS_recvfrom: return *hook = HOOK_recvfrom, 1;
    case SYS_recvmsg: return *hook = HOOK_recvmsg, 1;
    case SYS_accept: return *hook = HOOK_accept, 1;
    case SYS_accept4: return *hook = HOOK_accept4, 1;
    case SYS_wait4: return *hook = HOOK_wait4, 1;
    case SYS_waitid: return *hook = HOOK_waitid, 1;
    case SYS_poll: return *hook = HOOK_poll, 1;
    case SYS_ppoll: return *hook = HOOK_ppoll, 1;
    case SYS_select: return *hook = HOOK_select, 1;
    case SYS_pselect6: return *hook = HOOK_pselect, 1;
    case SYS_epoll_wait: return *hook = HOOK_epoll_wait, 1;
    case SYS_epoll_pwait: return *hook = HOOK_epoll_pwait, 1;
    case SYS_epoll_pwait2: return *hook = HOOK_epoll_pwait, 1;
    case SYS_rt_sigtimedwait: return *hook = HOOK_sigtimedwait, 1;
    default: return 0;
  }
}

void polus_blocked_make(struct blocked *call) {
  enum hook_number hook;
  long number = (long)call->rax, a = (long)call->rdi, b = (long)call->rsi, c = (long)call->rdx, d = (long)call->r10,
       e = (long)call->r8, f = (long)call->r9;
  call->rax = (uint64_t)(hook_of(call->rax, &hook) ? bounce((struct way){hook, number}, a, b, c, d, e, f)
                                                   : POLUS_CALL(number, a, b, c, d, e, f));
}
