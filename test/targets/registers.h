/* Loads every register with known values, lets something happen, and reads them back. */
#ifndef REGISTERS_H
#define REGISTERS_H

#include <stdint.h>

/* Layout known to registers.S. */
struct register_image {
  /* rax rbx rcx rdx rsi rdi rbp r8 … r15, one spare */
  uint64_t general[16];
  uint32_t mxcsr;
  uint16_t x87_control;
  uint16_t spare;
  double x87[6];
  uint64_t spare2;
  uint64_t masks[8];
  /* The 128 bytes below the stack pointer, when nothing is called. */
  uint64_t red_zone[16];
  uint8_t vectors[32][64];
} __attribute__((aligned(64)));

enum vector_kind { VECTORS_SSE, VECTORS_AVX, VECTORS_AVX512 };

/*
 * Loads `in`, then calls `function` once (or, where that is NULL, spins that
 * many times without touching anything), and stores all registers to `out`.
 */
void hold_registers(const struct register_image *in, struct register_image *out,
                    long (*function)(void), long spins, enum vector_kind kind);

#endif
