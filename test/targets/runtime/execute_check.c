/*
 * Runs each form twice from the same random state: on ordinary memory by the processor, and on a page that
 * is only readable, where the fault's handler performs it by the runtime (decoder, copy, executor). Compares
 * memory, general registers, flags, vector and x87 state. `execute_check ROUNDS SEED`; prints a JSON line.
 *
 * What the runtime would do with the bytes (coherence.c, pages.c) is replaced by a store through an alias.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <immintrin.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "careful.h"
#include "coherence.h"
#include "execute.h"
#include "execute_check.h"
#include "lock.h"
#include "map.h"
#include "store.h"

enum { STATE = 16384, MOST_FAULTS = 100, SHOWN = 10 };
enum { FLAGS_ARITHMETIC = 0x8d5, FLAG_DIRECTION = 0x400 };

struct form {
  const char *name;
  const uint8_t *code;
  uint64_t needs;
};
extern const struct form forms[];

/* Known to execute_forms.S by its layout. */
struct machine {
  uint64_t registers[16];
  uint64_t flags;
  uint64_t own_stack;
  const void *code;
};
struct machine machine;
uint8_t machine_before[STATE] __attribute__((aligned(64)));
uint8_t machine_after[STATE] __attribute__((aligned(64)));
uint32_t machine_features;
uint8_t page[PAGE_SIZE] __attribute__((aligned(4096)));
void machine_run(void);

struct result {
  struct machine machine;
  uint8_t state[STATE];
  uint8_t memory[PAGE_SIZE];
};

static uint8_t *alias; /* of `page`, writable */
static uint64_t seed;
static unsigned faults, slow;
static struct page guarded = {.state = PAGE_GUARDED};

int careful_copy(void *to, const void *from, size_t size) {
  memcpy(to, from, size);
  return 0;
}

static int in_page(uint64_t at) { return at - (uint64_t)page < PAGE_SIZE; }

int coherent_store(uint64_t at, const void *bytes, size_t size) {
  if (!in_page(at) || !in_page(at + size - 1)) abort();
  memcpy(alias + (at - (uint64_t)page), bytes, size);
  return 0;
}

int coherent_store_on(const struct page *on, uint64_t at, const void *bytes, size_t size) {
  if (on != &guarded) abort();
  return coherent_store(at, bytes, size);
}

struct page *page_of(uint64_t at) { return in_page(at) ? &guarded : NULL; }

uint64_t thread_identity(void) {
  uint64_t base = 0;
  syscall(SYS_arch_prctl, ARCH_GET_FS, &base);
  return base;
}

static void handle(int signal, siginfo_t *information, void *context) {
  (void)signal;
  struct user_context *caught = context;
  if (!in_page((uint64_t)information->si_addr) || ++faults > MOST_FAULTS) _exit(3);
  if (store_perform(&caught->context) == STORE_DONE) return;
  slow++;
  mprotect(page, sizeof page, PROT_READ | PROT_WRITE);
}

static uint64_t word(void) { /* xorshift64* */
  seed ^= seed >> 12;
  seed ^= seed << 25;
  seed ^= seed >> 27;
  return seed * UINT64_C(0x2545f4914f6cdd1d);
}
static unsigned below(unsigned limit) { return (unsigned)((word() >> 32) % limit); }
static void fill(void *at, size_t size) {
  for (size_t i = 0; i < size; i++) ((uint8_t *)at)[i] = (uint8_t)(word() >> 56);
}

static void component(unsigned number) {
  unsigned size, offset, a, b;
  if (!(machine_features >> number & 1)) return;
  __cpuid_count(0xd, number, size, offset, a, b);
  fill(machine_before + offset, size);
}

/* Values that mean something, beside noise: small integers, numbers that fit, and what does not. */
static void x87_state(void) {
  uint16_t control = (uint16_t)(0x037f | (below(4) << 10)), status = (uint16_t)((word() >> 32) & 0x477f);
  memcpy(machine_before, &control, 2);
  memcpy(machine_before + 2, &status, 2);
  machine_before[4] = (uint8_t)below(256);
  for (unsigned i = 0; i < 8; i++) {
    uint8_t *one = machine_before + 32 + 16 * i;
    fill(one, 10);
    if (below(4)) { /* normalised, its exponent near that of one */
      uint16_t exponent = (uint16_t)(0x3fff + below(80) - 10 + (below(2) << 15));
      one[7] |= 0x80;
      memcpy(one + 8, &exponent, 2);
    }
  }
}

static void invent_state(void) {
  uint32_t control = 0x1f80 | below(0x40) | below(4) << 13 | below(2) << 15 | below(2) << 6;
  uint64_t present = machine_features;
  memset(machine_before, 0, sizeof machine_before);
  x87_state();
  memcpy(machine_before + 24, &control, 4);
  fill(machine_before + 160, 256);
  for (unsigned number = 2; number < 8; number++) {
    component(number);
    if (below(16) == 0) present &= ~(UINT64_C(1) << number);
  }
  memcpy(machine_before + 512, &present, 8);
}

/* Bit offsets reach any address, below the operand as well: what is used of the register is kept small. */
static void invent_bit_offset(const struct form *form, struct machine *one) {
  unsigned used = strstr(form->name, "%rcx") ? 64 : strstr(form->name, "%ecx") ? 32 : 16;
  uint64_t offset = (uint64_t)(int64_t)((int)below(4096) - 2048), mask = ~UINT64_C(0) >> (64 - used);
  one->registers[CONTEXT_RCX] = (offset & mask) | (word() & ~mask);
}

static void invent(const struct form *form, struct machine *one) {
  unsigned offset = 512 + below(512);
  if (form->needs & ALIGN) offset &= ~63u;
  fill(one->registers, sizeof one->registers);
  uint64_t at = (uint64_t)page + offset;
  one->registers[CONTEXT_R15] = one->registers[CONTEXT_RDI] = at;
  /* Of the lower half, as any that a program has: for others some machines raise #GP in place of the page fault. */
  one->registers[CONTEXT_RSP] >>= 18;
  one->registers[CONTEXT_RSI] = below(32);
  if (form->needs & LOW) one->registers[CONTEXT_RDI] |= word() << 32;
  if (form->needs & FS) one->registers[CONTEXT_RDI] = at - thread_identity();
  if (form->needs & BIT) invent_bit_offset(form, one);
  if (form->needs & POP) one->registers[CONTEXT_RSP] = (uint64_t)page + 1024 + below(512);
  if (form->needs & STRING) {
    one->registers[CONTEXT_RCX] = below(48);
    one->registers[CONTEXT_RSI] = below(2) ? (uint64_t)machine_before + 1024 : at + below(64) - 32;
  }
  one->flags = (word() & FLAGS_ARITHMETIC) | 0x202 | (form->needs & STRING && below(2) ? FLAG_DIRECTION : 0);
  one->code = form->code;
}

static void run(const struct machine *from, const uint8_t *memory, int protection, struct result *result) {
  memcpy(alias, memory, PAGE_SIZE);
  mprotect(page, sizeof page, protection);
  machine = *from;
  memset(machine_after, 0, sizeof machine_after);
  machine_run();
  memcpy(&result->machine, &machine, sizeof machine);
  memcpy(result->state, machine_after, sizeof machine_after);
  memset(result->state + 512, 0, 64); /* which components are in use is the kernel's to choose */
  memcpy(result->memory, alias, PAGE_SIZE);
}

static const char *difference(const struct result *one, const struct result *other) {
  static char text[80];
  for (unsigned i = 0; i < PAGE_SIZE; i++) {
    if (one->memory[i] == other->memory[i]) continue;
    snprintf(text, sizeof text, "memory at %u: %02x, %02x", i, one->memory[i], other->memory[i]);
    return text;
  }
  for (unsigned i = 0; i < 16; i++) {
    if (one->machine.registers[i] == other->machine.registers[i]) continue;
    snprintf(text, sizeof text, "register %u: %lx, %lx", i, one->machine.registers[i], other->machine.registers[i]);
    return text;
  }
  if (one->machine.flags != other->machine.flags) {
    snprintf(text, sizeof text, "flags: %lx, %lx", one->machine.flags, other->machine.flags);
    return text;
  }
  for (unsigned i = 0; i < STATE; i++) {
    if (one->state[i] == other->state[i]) continue;
    snprintf(text, sizeof text, "state at %u: %02x, %02x", i, one->state[i], other->state[i]);
    return text;
  }
  return NULL;
}

static uint64_t machine_has(void) {
  unsigned a, b, c, d, e;
  uint64_t has = 0xff;
  __cpuid(1, a, b, c, d);
  if (c >> 22 & 1) has |= MOVBE;
  if (!(c >> 27 & 1)) return has;
  __asm__("xgetbv" : "=a"(a), "=d"(b) : "c"(0));
  machine_features = a & 0xe7;
  int f16c = c >> 29 & 1;
  __cpuid_count(7, 0, a, b, c, d);
  if (f16c && (b >> 5 & 1) && (machine_features & 4)) has |= AVX;
  if (c >> 27 & 1) has |= MOVDIRI;
  e = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
  if ((b & e) == e && (machine_features & 0xe0) == 0xe0) {
    has |= AVX512;
    if (c >> 6 & 1) has |= VBMI2;
    if (d >> 23 & 1) has |= FP16;
  }
  return has;
}

static int start(void) {
  static uint8_t stack[65536];
  stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  int file = memfd_create("page", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, PAGE_SIZE) < 0 || polus_execute_start() < 0) return -1;
  void *first = mmap(page, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
  alias = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  return first == MAP_FAILED || alias == MAP_FAILED ? -1 : sigaltstack(&other, NULL) | sigaction(SIGSEGV, &action, NULL);
}

static unsigned long runs, stored, different, tried, left_out;

static void check(const struct form *form, unsigned rounds) {
  static struct result real, ours;
  static uint8_t memory[PAGE_SIZE];
  const char *wrong = NULL;
  struct machine one;
  unsigned caught = 0;
  for (unsigned round = 0; round < rounds && wrong == NULL; round++, runs++) {
    invent_state();
    fill(memory, sizeof memory);
    invent(form, &one);
    if (strstr(form->name, "%rsp") != NULL && !(form->needs & POP)) {
      /* What may become the stack pointer is an address of the lower half as well, also as a sum of two. */
      uint8_t *there = memory + (one.registers[CONTEXT_R15] - (uint64_t)page);
      there[5] &= 0x3f, there[6] = there[7] = 0;
    }
    if (form->needs & MATCH && below(2)) {
      const uint8_t *there = memory + (one.registers[CONTEXT_R15] - (uint64_t)page);
      memcpy(&one.registers[CONTEXT_RAX], there, 8);
      memcpy(&one.registers[CONTEXT_RDX], strstr(form->name, "8b") ? there + 4 : there + 8, 8);
    }
    run(&one, memory, PROT_READ | PROT_WRITE, &real);
    faults = slow = 0;
    run(&one, memory, PROT_READ, &ours);
    caught += faults;
    if (slow > 0) wrong = "not performed";
    else if (faults == 0 && !(form->needs & MAYBE)) wrong = "no fault";
    else wrong = difference(&real, &ours);
  }
  if (wrong == NULL && caught == 0) wrong = "never stored";
  stored += caught;
  if (wrong != NULL && different++ < SHOWN) fprintf(stderr, "%s: %s\n", form->name, wrong);
}

/* A store of a constant by `movl $constant, (%rdi)`. */
static int prepare_constant(uint32_t constant, struct prepared *prepared) {
  uint8_t code[6] = {0xc7, 0x07};
  memcpy(code + 2, &constant, sizeof constant);
  return polus_decode(code, sizeof code, &prepared->store) == 1 ? polus_prepare(prepared) : -1;
}

static uint32_t run_constant(const struct prepared *prepared) {
  struct context context = {0};
  uint32_t result;
  polus_execute(prepared, &context);
  memcpy(&result, polus_scratch(), sizeof result);
  return result;
}

/* What parent and child prepare after a fork must not land in each other's code. */
static const char *check_fork(void) {
  struct prepared before, after;
  int pipes[2], status = 0;
  char byte = 0;
  if (prepare_constant(1, &before) < 0 || pipe(pipes) < 0) return "cannot start";
  pid_t child = fork();
  if (child == 0) {
    close(pipes[1]);
    if (polus_execute_fork() < 0 || prepare_constant(2, &after) < 0) _exit(1);
    if (read(pipes[0], &byte, 1) < 0) _exit(2); /* until the parent has prepared its own in the same place */
    _exit(run_constant(&before) != 1 ? 3 : run_constant(&after) != 2 ? 4 : 0);
  }
  usleep(20000); /* so that the child has prepared: whichever comes last would win */
  int prepared = prepare_constant(3, &after);
  close(pipes[1]);
  close(pipes[0]);
  if (child < 0 || waitpid(child, &status, 0) < 0) return "no child";
  if (prepared < 0 || run_constant(&after) != 3 || run_constant(&before) != 1) return "the parent's code has changed";
  return status == 0 ? NULL : "the child's code has changed";
}

/* Where a child has no room for code of its own, what was prepared runs on, and nothing is added to its parent's. */
static const char *check_poor_fork(void) {
  struct prepared before, after;
  int status = 0;
  if (prepare_constant(1, &before) < 0) return "cannot start";
  pid_t child = fork();
  if (child == 0) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_AS, &none);
    if (polus_execute_fork() == 0) _exit(1);
    if (prepare_constant(4, &after) == 0) _exit(2);
    _exit(prepare_constant(1, &after) < 0 || run_constant(&after) != 1 || run_constant(&before) != 1 ? 3 : 0);
  }
  if (child < 0 || waitpid(child, &status, 0) < 0) return "no child";
  return status == 0 ? NULL : "the child does not do with what there is";
}

/* A full area says so, and what is in it goes on working. */
static const char *check_full(void) {
  struct prepared first, one;
  if (prepare_constant(1, &first) < 0) return "full at once";
  uint32_t constant = 100;
  while (constant < 100000 && prepare_constant(constant, &one) == 0) constant++;
  if (constant < 4000 || constant == 100000) return "its size is wrong";
  if (prepare_constant(constant - 1, &one) < 0 || run_constant(&one) != constant - 1) return "the last is lost";
  return prepare_constant(1, &one) < 0 || one.code != first.code || run_constant(&one) != 1 ? "the first is lost" : NULL;
}

/* Without the kernel's mark there is no more than fxsave's area. */
static const char *check_short_state(void) {
  static const uint8_t vector[] = {0x0f, 0x11, 0x17}, x87[] = {0xdb, 0x3f}; /* movups %xmm2, (%rdi); fstpt (%rdi) */
  static uint8_t state[512] __attribute__((aligned(64)));
  struct context context = {.fpstate = state};
  struct prepared one;
  memset(machine_before, 0, sizeof machine_before);
  invent_state();
  memcpy(state, machine_before, sizeof state);
  memset(state + 416, 0, sizeof state - 416);
  polus_decode(vector, sizeof vector, &one.store);
  if (polus_prepare(&one) < 0) return "full";
  polus_execute(&one, &context);
  if (memcmp(polus_scratch(), state + 160 + 2 * 16, 16) != 0) return "a vector register is not the thread's";
  unsigned top = state[3] >> 3 & 7;
  state[4] |= (uint8_t)(1 << top); /* not empty */
  uint8_t value[10];
  memcpy(value, state + 32, sizeof value);
  polus_decode(x87, sizeof x87, &one.store);
  if (polus_prepare(&one) < 0) return "full";
  polus_execute(&one, &context);
  if (memcmp(polus_scratch(), value, sizeof value) != 0) return "st(0) is not the thread's";
  return (state[3] >> 3 & 7) == ((top + 1) & 7) ? NULL : "the x87 stack has not moved";
}

static void also(const char *what, const char *wrong) {
  if (wrong == NULL) return;
  different++;
  fprintf(stderr, "%s: %s\n", what, wrong);
}

int main(int count, char **arguments) {
  unsigned rounds = count > 1 ? (unsigned)strtoul(arguments[1], NULL, 0) : 100;
  uint64_t has = machine_has();
  seed = (count > 2 ? strtoull(arguments[2], NULL, 0) : 1) | 1;
  if (machine_features == 0 || start() < 0) return 2;
  for (const struct form *form = forms; form->name != NULL; form++) {
    if (form->needs & ~has) {
      left_out++;
      continue;
    }
    tried++;
    check(form, rounds);
  }
  also("fork", check_fork());
  also("poor fork", check_poor_fork());
  also("short state", check_short_state());
  also("full area", check_full());
  printf("{\"forms\":%lu,\"leftOut\":%lu,\"runs\":%lu,\"stored\":%lu,\"different\":%lu}\n", tried, left_out, runs, stored, different);
  return different > 0;
}
