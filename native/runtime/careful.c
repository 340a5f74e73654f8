#include "careful.h"

/*
 * The handler knows the copy by its address, so that nothing needs to be noted before it. Four bytes, and up to
 * eight words of eight, are copied without a string instruction, which takes long to begin with.
 */
__asm__(
    ".pushsection .text\n"
    ".type careful_copy, @function\n"
    ".globl careful_copy\n"
    ".hidden careful_copy\n"
    "careful_copy:\n"
    "polus_careful_begin:\n"
    "  cmp $4, %rdx\n"
    "  je 3f\n"
    "  lea -8(%rdx), %rax\n"
    "  cmp $56, %rax\n"
    "  ja 2f\n"
    "  test $7, %dl\n"
    "  jnz 2f\n"
    "1: mov (%rsi), %rax\n"
    "  mov %rax, (%rdi)\n"
    "  add $8, %rsi\n"
    "  add $8, %rdi\n"
    "  sub $8, %rdx\n"
    "  jnz 1b\n"
    "  xor %eax, %eax\n"
    "  ret\n"
    "2: mov %rdx, %rcx\n"
    "  rep movsb\n"
    "  xor %eax, %eax\n"
    "  ret\n"
    "3: mov (%rsi), %eax\n"
    "  mov %eax, (%rdi)\n"
    "  xor %eax, %eax\n"
    "  ret\n"
    "polus_careful_failed:\n"
    "  mov $-1, %eax\n"
    "  ret\n"
    ".size careful_copy, . - careful_copy\n"
    ".popsection\n");

static uint64_t address_of_begin(void) {
  uint64_t at;
  __asm__("lea polus_careful_begin(%%rip), %0" : "=r"(at));
  return at;
}

static uint64_t address_of_failure(void) {
  uint64_t at;
  __asm__("lea polus_careful_failed(%%rip), %0" : "=r"(at));
  return at;
}

int careful_fault(struct context *context) {
  uint64_t begin = address_of_begin();
  if (context->registers[CONTEXT_RIP] - begin >= address_of_failure() - begin) return 0;
  context->registers[CONTEXT_RIP] = address_of_failure();
  return 1;
}
