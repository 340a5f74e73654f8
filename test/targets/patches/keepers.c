/* New versions for keepers.c that use all registers the ABI gives them, declared or not. */
#include "polus.h"

extern volatile long touched POLUS_STATIC(touched, "keepers.c");

#define CLOBBER                                                                                     \
  __asm__ volatile("" ::: "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm1", "xmm2",     \
                   "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",        \
                   "xmm12", "xmm13", "xmm14", "xmm15");                                             \
  __asm__ volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; xor %%esi, %%esi; xor %%edi, %%edi;"        \
                   "xor %%r8d, %%r8d; xor %%r9d, %%r9d; xor %%r10d, %%r10d; xor %%r11d, %%r11d;"    \
                   "xorps %%xmm1, %%xmm1; xorps %%xmm2, %%xmm2; xorps %%xmm3, %%xmm3;"              \
                   "xorps %%xmm4, %%xmm4; xorps %%xmm5, %%xmm5; xorps %%xmm8, %%xmm8;"              \
                   "xorps %%xmm9, %%xmm9; xorps %%xmm15, %%xmm15" ::                                \
                       : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm1", "xmm2",      \
                         "xmm3", "xmm4", "xmm5", "xmm8", "xmm9", "xmm15", "cc")

long weigh_careless(long x) {
  CLOBBER;
  return x + touched + 1000;
}
double scale_careless(double x) {
  CLOBBER;
  return x * 2 + 1000;
}
void touch_careless(void) {
  long value = 1000;
  __asm__ volatile("" : "+a"(value));
  CLOBBER;
  touched = value;
}
long lonely_careless(long x) {
  CLOBBER;
  return x - touched + 1000;
}

static long weigh_keeping(long x) { return weigh_careless(x); }
double scale_keeping(double x) { return scale_careless(x); }
static void touch_keeping(void) { touch_careless(); }
POLUS_KEEPS_REGISTERS(weigh_keeping);
POLUS_KEEPS_REGISTERS(scale_keeping);
POLUS_KEEPS_REGISTERS_VOID(touch_keeping);
POLUS_REPLACE(touch, touch_keeping);

/* touch has no result: this does not keep rax. */
void touch_wrong(void) { touch_careless(); }
POLUS_KEEPS_REGISTERS(touch_wrong);

/* Leaves alone what the old version left alone, so nothing needs to be said. */
long weigh_lean(long x) { return x + touched + 1000; }

/* Nobody can tell what these change. */
extern int puts(const char *);
void touch_calling(void) { puts("touched"); }
extern void (*volatile touch_by_pointer)(void);
void (*volatile touch_by_pointer)(void);
void touch_anything(void) { touch_by_pointer(); }
