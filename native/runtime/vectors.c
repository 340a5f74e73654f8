#include "vectors.h"

#include "memory.h"

enum { FEATURES = 0xe7, HEADER = 512, HEADER_SIZE = 64 };
enum { WITH_FXSAVE, WITH_XSAVE, WITH_XSAVEC };

static int instruction = WITH_FXSAVE;
static struct vectors *current;

static void identify(uint32_t leaf, uint32_t subleaf, uint32_t *eax, uint32_t *ecx) {
  uint32_t a = leaf, b, c = subleaf, d;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  *eax = a, *ecx = c;
}

void vectors_start(void) {
  uint32_t most, eax, ecx;
  identify(0, 0, &most, &ecx);
  identify(1, 0, &eax, &ecx);
  if (!(ecx & (UINT32_C(1) << 27)) || most < 13) return; /* OSXSAVE */
  identify(13, 1, &eax, &ecx);
  instruction = eax & 2 ? WITH_XSAVEC : WITH_XSAVE;
}

static uint8_t *area(struct vectors *vectors) {
  return (uint8_t *)(((uint64_t)vectors->room + 63) & ~UINT64_C(63));
}

void vectors_enter(struct vectors *vectors) {
  vectors->outer = current;
  vectors->kept = 0;
  current = vectors;
}

void vectors_needed(void) {
  if (current == NULL || current->kept) return;
  uint8_t *to = area(current);
  current->kept = 1;
  switch (instruction) {
    case WITH_XSAVEC:
      memset(to + HEADER, 0, HEADER_SIZE);
      __asm__ volatile("xsavec64 (%0)" : : "r"(to), "a"(FEATURES), "d"(0) : "memory");
      return;
    case WITH_XSAVE:
      memset(to + HEADER, 0, HEADER_SIZE);
      __asm__ volatile("xsave64 (%0)" : : "r"(to), "a"(FEATURES), "d"(0) : "memory");
      return;
    default: __asm__ volatile("fxsave64 (%0)" : : "r"(to) : "memory");
  }
}

void vectors_leave(struct vectors *vectors) {
  current = vectors->outer;
  if (!vectors->kept) return;
  const uint8_t *from = area(vectors);
  if (instruction == WITH_FXSAVE) __asm__ volatile("fxrstor64 (%0)" : : "r"(from) : "memory");
  else __asm__ volatile("xrstor64 (%0)" : : "r"(from), "a"(FEATURES), "d"(0) : "memory");
}
