/* Runs the copy of a storing instruction with the registers of the thread that was caught. */
#ifndef POLUS_EXECUTE_H
#define POLUS_EXECUTE_H

#include "decode.h"

struct context; /* machine context of the caught thread: context.h */

/** Where the bytes come from that an instruction stores: of a plain mov they are there without running it. */
enum value { VALUE_COMPUTED = 0, VALUE_REGISTER, VALUE_IMMEDIATE };

/** An executable copy of one instruction, in the code area; lives until the area is remade. */
struct prepared {
  struct store store;
  uint8_t value;     /* enum value */
  uint8_t source;    /* number of the general register */
  int32_t immediate; /* extended by its sign to eight bytes */
  const void *code;  /* the copy, followed by a jump back into the executor */
};

/** Makes the code area (mapped writable and executable apart, without a descriptor). Zero, or a negative errno. */
int polus_execute_start(void);

/**
 * Makes the code area anew in the child of a fork; everything that was prepared stays valid there. A negative
 * errno says that it could not: then nothing new can be prepared there.
 */
int polus_execute_fork(void);

/** Puts an executable copy of a STORE_MODRM instruction in place. 0, or -1 when the area is full. */
int polus_prepare(struct prepared *prepared);

/**
 * Runs it on the scratch area instead of memory. `polus_scratch()` holds the bytes of the operand before
 * the call and what the instruction made of them after. General registers, flags, and (where `needs` says
 * so) vector and x87 state are those of `context`, and what it changes is put back there; rip is left alone.
 * One thread at a time: the caller holds the runtime's lock.
 */
void polus_execute(const struct prepared *prepared, struct context *context);

/** What an instruction stores whose `value` is not VALUE_COMPUTED; its upper bytes where it is narrower mean nothing. */
uint64_t polus_value(const struct prepared *prepared, struct context *context);

/** 64 bytes, aligned to 64, followed by 64 that nothing uses. */
uint8_t *polus_scratch(void);

#endif
