#include "stops.h"

#include "polus_runtime.h"

enum { STORE_LENGTH = 2 };

/* Read-only like all constants of ours. The engine knows each word by its address. */
const uint64_t polus_stops[2] __attribute__((aligned(16))) = {0};

void stops_set(enum stops stops) {
  /* mov %eax, (%rdi): the tracer counts on the length. */
  __asm__ volatile(".byte 0x89, 0x07" : : "D"(&polus_stops[stops]) : "memory");
}

uint64_t stops_said(uint64_t address) {
  return address - (uint64_t)polus_stops < sizeof polus_stops ? STORE_LENGTH : 0;
}
