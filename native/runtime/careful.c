#include "careful.h"

/* The handler knows the copy by its address, so that nothing needs to be noted before it. */
__asm__(
    ".pushsection .text\n"
    ".type careful_copy, @function\n"
    ".globl careful_copy\n"
    ".hidden careful_copy\n"
    "careful_copy:\n"
    "  mov %rdx, %rcx\n"
    "polus_careful_instruction:\n"
    "  rep movsb\n"
    "  xor %eax, %eax\n"
    "  ret\n"
    "polus_careful_failed:\n"
    "  mov $-1, %eax\n"
    "  ret\n"
    ".size careful_copy, . - careful_copy\n"
    ".popsection\n");

static uint64_t address_of_instruction(void) {
  uint64_t at;
  __asm__("lea polus_careful_instruction(%%rip), %0" : "=r"(at));
  return at;
}

static uint64_t address_of_failure(void) {
  uint64_t at;
  __asm__("lea polus_careful_failed(%%rip), %0" : "=r"(at));
  return at;
}

int careful_fault(struct context *context) {
  if (context->registers[CONTEXT_RIP] != address_of_instruction()) return 0;
  context->registers[CONTEXT_RIP] = address_of_failure();
  return 1;
}
