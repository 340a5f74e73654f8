#include "sites.h"

#include "context.h"
#include "execute.h"
#include "gates.h"
#include "lock.h"
#include "map.h"
#include "memory.h"
#include "polus_runtime.h"
#include "store.h"
#include "vectors.h"

enum { LONGEST = 15 };

struct polus_hot polus_hot[POLUS_MOST_HOT];
struct polus_site polus_sites[POLUS_MOST_SITES];
const uint64_t polus_table_sizes[3] = {POLUS_MOST_SITES, POLUS_MOST_HOT, sizeof(struct polus_site)};

static struct prepared prepared[POLUS_MOST_SITES];
/* Sites from here on were never used. */
static unsigned used;

/* An address may stand in any place of its group: a program of many hot stores keeps them all. */
enum { GROUP = 8 };

void sites_note(uint64_t instruction) {
  uint64_t hash = instruction * UINT64_C(0x9e3779b97f4a7c15) >> 40;
  struct polus_hot *group = &polus_hot[hash % (POLUS_MOST_HOT / GROUP) * GROUP], *rarest = group;
  for (struct polus_hot *hot = group; hot < group + GROUP; hot++) {
    if (hot->address == instruction) {
      hot->count++;
      return;
    }
    if (hot->count < rarest->count) rarest = hot;
  }
  if (rarest->count < 2) {
    rarest->address = instruction;
    rarest->count = 1;
  } else {
    rarest->count -= rarest->count / 64 + 1;
  }
}

/*
 * A stub calls with the program's stack 128 bytes higher. The frame below is a struct context; where to go on
 * is left in its last eight bytes, which become the red zone of the stub.
 */
_Static_assert(sizeof(struct context) == 256 && __builtin_offsetof(struct context, flags) == 136 &&
                   __builtin_offsetof(struct context, trap) == 160 && __builtin_offsetof(struct context, fpstate) == 184,
               "as below");

uint64_t polus_site_hit(struct polus_site *site, struct context *context) __attribute__((visibility("hidden")));

__asm__(
    ".pushsection .text\n"
    ".globl polus_site_entry\n.type polus_site_entry, @function\n"
    ".hidden polus_site_hit\n"
    "polus_site_entry:\n"
    "  lea -256(%rsp), %rsp\n"
    "  mov %r8, 0(%rsp)\n  mov %r9, 8(%rsp)\n  mov %r10, 16(%rsp)\n  mov %r11, 24(%rsp)\n"
    "  mov %r12, 32(%rsp)\n  mov %r13, 40(%rsp)\n  mov %r14, 48(%rsp)\n  mov %r15, 56(%rsp)\n"
    "  mov %rdi, 64(%rsp)\n  mov %rsi, 72(%rsp)\n  mov %rbp, 80(%rsp)\n  mov %rbx, 88(%rsp)\n"
    "  mov %rdx, 96(%rsp)\n  mov %rax, 104(%rsp)\n  mov %rcx, 112(%rsp)\n"
    "  lea 392(%rsp), %rax\n  mov %rax, 120(%rsp)\n"
    "  pushfq\n  popq 136(%rsp)\n"
    "  cld\n"
    "  mov 256(%rsp), %rdx\n"
    "  mov 109(%rdx), %rdi\n" /* the site */
    "  mov 8(%rdi), %rax\n  mov %rax, 128(%rsp)\n"
    "  movq $256, 160(%rsp)\n  movq $0, 184(%rsp)\n"
    "  mov %rsp, %rsi\n  mov %rsp, %rbx\n"
    "  and $-16, %rsp\n"
    "  call polus_site_hit\n"
    "  mov %rbx, %rsp\n"
    "  mov %rax, 248(%rsp)\n"
    "  mov 0(%rsp), %r8\n  mov 8(%rsp), %r9\n  mov 16(%rsp), %r10\n  mov 24(%rsp), %r11\n"
    "  mov 32(%rsp), %r12\n  mov 40(%rsp), %r13\n  mov 48(%rsp), %r14\n  mov 56(%rsp), %r15\n"
    "  mov 64(%rsp), %rdi\n  mov 72(%rsp), %rsi\n  mov 80(%rsp), %rbp\n  mov 88(%rsp), %rbx\n"
    "  mov 96(%rsp), %rdx\n"
    "  testb $4, 137(%rsp)\n" /* the direction flag */
    "  jnz 1f\n"
    /* The arithmetic flags alone: popfq takes as long as all the rest. OF is that of 127 + 1. */
    "  movzbl 137(%rsp), %eax\n  movzbl 136(%rsp), %ecx\n"
    "  shr $3, %al\n  and $1, %al\n  mov %cl, %ah\n  add $127, %al\n  sahf\n"
    "  jmp 2f\n"
    "1: pushq 136(%rsp)\n  popfq\n"
    "2: mov 104(%rsp), %rax\n  mov 112(%rsp), %rcx\n"
    "  lea 256(%rsp), %rsp\n"
    "  ret\n"
    ".size polus_site_entry, . - polus_site_entry\n"
    ".popsection\n");

uint64_t polus_site_hit(struct polus_site *site, struct context *context) {
  struct vectors vectors;
  uint64_t start = context->registers[CONTEXT_RIP], next = site->behind;
  lock_acquire_open();
  vectors_enter(&vectors);
  site->hits++;
  do {
    enum store_outcome outcome = store_in_stub(&prepared[site - polus_sites], context);
    /* Not guarded, or not there: the instruction itself will do, or be caught. */
    if (outcome != STORE_DONE) next = site->instead;
  } while (next == site->behind && context->registers[CONTEXT_RIP] == start);
  vectors_leave(&vectors);
  gates_release();
  return next;
}

/* Opcodes that have more of the opcode where others have a register (SDM volume 2, table A-6). */
static int group_opcode(uint8_t opcode) {
  static const uint8_t groups[] = {0x80, 0x81, 0x83, 0xc0, 0xc1, 0xc6, 0xc7, 0xd0, 0xd1, 0xd2, 0xd3, 0xf6, 0xf7, 0xfe, 0xff};
  for (unsigned i = 0; i < sizeof groups; i++) {
    if (groups[i] == opcode) return 1;
  }
  return 0;
}

/* The stack pointer is not the program's while the copy runs: a signal may want to put its frame below it. */
static int uses_stack_pointer(const struct store *store) {
  if (store->form != STORE_MODRM || (store->needs & STORE_VECTOR)) return 0;
  unsigned modrm = store->copy_displacement - 1u, opcode = modrm - 1;
  if (opcode > 0 && store->copy[opcode - 1] == 0x0f) opcode--;
  else if (opcode > 1 && store->copy[opcode - 2] == 0x0f) opcode -= 2;
  unsigned rex = opcode > 0 && (store->copy[opcode - 1] & 0xf0) == 0x40 ? store->copy[opcode - 1] : 0;
  return !(rex & 4) && ((store->copy[modrm] >> 3) & 7) == 4 && !group_opcode(store->copy[modrm - 1]);
}

static int fits_stub(const struct store *store) {
  if (store->form != STORE_MODRM && store->form != STORE_STRING && store->form != STORE_ABSOLUTE) return 0;
  return !(store->needs & (STORE_X87 | STORE_BIT)) && store->segment != SEGMENT_GS && !uses_stack_pointer(store);
}

long polus_runtime_site(uint64_t address, const uint8_t *code, size_t size, uint64_t stub) {
  long result = POLUS_FAULT_MEMORY;
  uint64_t mask = lock_enter();
  for (long number = 0; number < POLUS_MOST_SITES && result == POLUS_FAULT_MEMORY; number++) {
    struct polus_site *site = &polus_sites[number];
    struct prepared *one = &prepared[number];
    /* A stub that was used stays its site's: a thread may still come out of it. */
    if (site->state != POLUS_SITE_FREE || (site->stub != 0 && site->stub != stub)) continue;
    memset(one, 0, sizeof *one);
    result = POLUS_FAULT_SITE;
    if (!polus_decode(code, size < LONGEST ? size : LONGEST, &one->store) || !fits_stub(&one->store)) break;
    if (one->store.form == STORE_MODRM && polus_prepare(one) < 0) break;
    site->address = address;
    site->stub = stub;
    site->hits = 0;
    site->state = POLUS_SITE_KNOWN;
    if (number >= used) used = (unsigned)number + 1;
    polus_control.rewritten++;
    result = number;
  }
  lock_leave(mask);
  return result;
}

int sites_replace(uint64_t instruction) {
  for (unsigned i = 0; polus_control.rewritten > 0 && i < used; i++) {
    if (polus_sites[i].state == POLUS_SITE_KNOWN && polus_sites[i].address == instruction) return 1;
  }
  return 0;
}

uint64_t sites_continue(uint64_t pc) {
  for (unsigned i = 0; polus_control.rewritten > 0 && i < used; i++) {
    const struct polus_site *site = &polus_sites[i];
    uint64_t offset = pc - (site->address - site->before);
    if (site->state != POLUS_SITE_KNOWN || offset == 0 || offset >= site->replaced) continue;
    for (unsigned k = 0; k < POLUS_MOST_MOVED && site->moved[k].stub != 0; k++) {
      if (site->moved[k].program == offset) return site->stub + site->moved[k].stub;
    }
  }
  return pc;
}

/* Whether an address is that of a copy in a stub; then it becomes that of the instruction itself. */
static int leave_stub(uint64_t *pc) {
  for (unsigned i = 0; i < used; i++) {
    const struct polus_site *site = &polus_sites[i];
    if (site->stub == 0 || *pc - site->stub >= POLUS_STUB_SIZE) continue;
    for (unsigned k = 0; k < POLUS_MOST_MOVED; k++) {
      if (site->moved[k].stub == 0 || *pc != site->stub + site->moved[k].stub) continue;
      *pc = site->address - site->before + site->moved[k].program;
      return 1;
    }
  }
  return 0;
}

/* What a stub executes of the program's may have a stub of its own, and so on. */
enum { DEEPEST = 16 };

uint64_t sites_program_counter(uint64_t pc) {
  for (int depth = 0; depth < DEEPEST && leave_stub(&pc); depth++) {
  }
  return pc;
}

long polus_runtime_forget_site(long number) {
  if (number < 0 || number >= POLUS_MOST_SITES) return POLUS_FAULT_SITE;
  uint64_t mask = lock_enter();
  if (polus_sites[number].state != POLUS_SITE_FREE) polus_control.rewritten--;
  polus_sites[number].state = POLUS_SITE_FREE;
  lock_leave(mask);
  return 0;
}
