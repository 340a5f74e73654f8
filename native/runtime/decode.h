/* Decodes instructions that store to memory, as far as the runtime must perform them itself. */
#ifndef POLUS_DECODE_H
#define POLUS_DECODE_H

#include <stddef.h>
#include <stdint.h>

enum store_form {
  STORE_UNKNOWN = 0, /* not decoded: the slow way (open the page, single-step) */
  STORE_MODRM,       /* one memory operand, by ModRM; runs as a copy with a rip-relative operand */
  STORE_STRING,      /* stos and movs, with or without rep */
  STORE_POP,         /* pop to memory: a load from the stack and a store */
  STORE_ABSOLUTE,    /* mov to an absolute 64-bit address (moffs) */
  STORE_CONTROL,     /* changes the flow as well (call, push: stacks are not protected): the slow way */
};

enum store_needs {
  STORE_VECTOR = 1,  /* reads vector or mask registers: they must hold the thread's values */
  STORE_X87 = 2,     /* reads and changes x87 state (fstp …): load it before, keep it after */
  STORE_REPEATED = 4,/* rep or repne prefix on a string instruction */
  STORE_ADDRESS_32 = 8, /* address-size prefix: the address is cut to 32 bits */
  STORE_BIT = 16,    /* bts, btr, btc with a bit offset in a register: it moves the address */
  STORE_GATES = 32,  /* masked (vmaskmov, AVX-512 masks): bytes outside the mask must stay unread and unwritten;
                        performing on a scratch copy of the whole operand is right, as the copy holds old bytes */
};

enum { NO_REGISTER = 0xff };
enum store_segment { SEGMENT_NONE = 0, SEGMENT_FS = 1, SEGMENT_GS = 2 };

struct store {
  uint8_t form;     /* store_form */
  uint8_t needs;    /* store_needs */
  uint8_t length;   /* of the instruction, in bytes */
  uint8_t size;     /* bytes of the memory operand, at most 64; of one element for strings */
  uint8_t base;     /* number of a general register (0 = rax, 4 = rsp … as encoded), 16 = rip, or NO_REGISTER */
  uint8_t index;    /* the same, never 4 (rsp) */
  uint8_t scale;    /* 1, 2, 4 or 8 */
  uint8_t segment;  /* store_segment */
  int64_t displacement; /* for STORE_ABSOLUTE the whole address */
  uint8_t string;   /* opcode of a string instruction without prefixes: 0xaa, 0xab, 0xa4, 0xa5 */
  uint8_t bit_register; /* for STORE_BIT: which register holds the bit offset */
  /* The copy: the instruction with its memory operand made rip-relative. */
  uint8_t copy_length;
  uint8_t copy_displacement; /* where in `copy` the 32-bit displacement lies (relative to the copy's end) */
  uint8_t copy[20];
};

/**
 * Decodes the instruction at `code`, of which `available` bytes may be read. Returns 1 if it is one that
 * stores (with `form` STORE_UNKNOWN if its exact effect is not known), else 0: it does not store to memory.
 * Never reads beyond `available`; total on any bytes.
 */
int polus_decode(const uint8_t *code, size_t available, struct store *result);

#endif
