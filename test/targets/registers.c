/*
 * Every register of every thread holds a known value: while the thread spins
 * (then the bytes below its stack pointer too), and across calls of a function
 * that, like a callee compiled with -fipa-ra, touches nothing but its result.
 */
#include "target.h"

#include "registers.h"

#include <stdio.h>
#include <string.h>

TARGET_PROBE(preserve_probe, "preserve")
TARGET_COUNTER(spin_turns, "spin_turns")
TARGET_COUNTER(vector_bytes, "vector_bytes")

static enum vector_kind kind;

/* Compiles to two instructions that change rax only. */
TARGET_UPDATED long preserve(void) { return 1; }

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void fill(struct register_image *image, uint64_t *state) {
  static const uint32_t roundings[] = {0x1f80, 0x3f80, 0x5f80, 0x7f80};
  uint64_t *words = (uint64_t *)image;
  for (size_t i = 0; i < sizeof *image / 8; i++) words[i] = next_random(state);
  /* All exceptions masked, any rounding; x87 at extended, double or single precision. */
  image->mxcsr = roundings[next_random(state) & 3];
  image->x87_control = (uint16_t)(0x37f & ~((next_random(state) & 1) << 8));
  for (int i = 0; i < 6; i++) image->x87[i] = (double)(next_random(state) & 0xffffff);
}

static void check(const char *when, const struct register_image *in,
                  const struct register_image *out, bool called) {
  static const char *const names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8",
                                      "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  for (int i = called ? 1 : 0; i < 15; i++) {
    if (in->general[i] != out->general[i]) {
      target_error("%s: %s is %lx instead of %lx", when, names[i], out->general[i],
                   in->general[i]);
    }
  }
  if (in->mxcsr != out->mxcsr) target_error("%s: mxcsr has changed", when);
  if (in->x87_control != out->x87_control) target_error("%s: x87 control word has changed", when);
  if (memcmp(in->x87, out->x87, sizeof in->x87) != 0) target_error("%s: x87 stack changed", when);
  if (!called && memcmp(in->red_zone, out->red_zone, sizeof in->red_zone) != 0) {
    target_error("%s: red zone has changed", when);
  }
  if (kind == VECTORS_AVX512 && memcmp(in->masks + 1, out->masks + 1, 7 * 8) != 0) {
    target_error("%s: a mask register has changed", when);
  }
  int count = kind == VECTORS_AVX512 ? 32 : 16;
  size_t width = kind == VECTORS_AVX512 ? 64 : kind == VECTORS_AVX ? 32 : 16;
  for (int i = 0; i < count; i++) {
    if (memcmp(in->vectors[i], out->vectors[i], width) != 0) {
      target_error("%s: vector register %d has changed", when, i);
    }
  }
}

static void *spinner(void *argument) {
  uint64_t state = 0x9e3779b97f4a7c15u * (uint64_t)(long)argument;
  struct register_image in, out;
  while (target_running()) {
    fill(&in, &state);
    hold_registers(&in, &out, NULL, 2000000, kind);
    check("while it spun", &in, &out, false);
    target_count(&spin_turns, 1);
    target_sleep_us(1000);
  }
  return NULL;
}

static void *caller(void *argument) {
  uint64_t state = 0xd1342543de82ef95u * (uint64_t)(long)argument;
  struct register_image in, out;
  for (long turn = 1; target_running(); turn++) {
    fill(&in, &state);
    unsigned epoch = target_epoch();
    hold_registers(&in, &out, preserve, 0, kind);
    check("across a call", &in, &out, true);
    target_expect(&preserve_probe, epoch, (long)out.general[0], 1, 2, 3);
    if (turn % 64 == 0) target_sleep_us(300);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  __builtin_cpu_init();
  kind = __builtin_cpu_supports("avx512bw") ? VECTORS_AVX512
         : __builtin_cpu_supports("avx")    ? VECTORS_AVX
                                            : VECTORS_SSE;
  target_count(&vector_bytes, kind == VECTORS_AVX512 ? 64 : kind == VECTORS_AVX ? 32 : 16);
  for (long i = 1; i <= 3; i++) {
    target_thread(spinner, (void *)i);
    target_thread(caller, (void *)i);
  }
  return target_serve();
}
