/* Words of one, two, four or eight bytes, each loaded and stored by one instruction; they may lie anywhere. */
#ifndef POLUS_WORD_H
#define POLUS_WORD_H

#include "memory.h"

static inline uint64_t word_load(const void *at, size_t size) {
  switch (size) {
    case 8: return *(const unaligned64 *)at;
    case 4: return *(const unaligned32 *)at;
    case 2: return *(const unaligned16 *)at;
    default: return *(const uint8_t *)at;
  }
}

static inline void word_store(void *at, uint64_t value, size_t size) {
  switch (size) {
    case 8: *(volatile unaligned64 *)at = value; return;
    case 4: *(volatile unaligned32 *)at = (uint32_t)value; return;
    case 2: *(volatile unaligned16 *)at = (uint16_t)value; return;
    default: *(volatile uint8_t *)at = (uint8_t)value;
  }
}

/** What is left of a value in a word of `size` bytes. */
static inline uint64_t word_cut(uint64_t value, size_t size) {
  return size == 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

#endif
