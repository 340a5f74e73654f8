/* Storing instructions of the program in whose places jumps stand; polus_runtime.h has the contract. */
#ifndef POLUS_SITES_H
#define POLUS_SITES_H

#include <stdint.h>

/** `trap` of a context that a stub has made, where the kernel's have the number of an exception. */
enum { CONTEXT_OF_STUB = 256 };

/** Takes note of a store that was caught. Under the lock. */
void sites_note(uint64_t instruction);

/** Whether a jump stands, or is to stand, at the instruction: one that was caught may have been replaced since. */
int sites_replace(uint64_t instruction);

/**
 * Where a thread goes on that was caught before a jump was put in place, and whose next instruction the jump may
 * stand on by now: in the stub. (While the jump is written, no frame on any stack holds such an address.)
 */
uint64_t sites_continue(uint64_t pc);

/** Where the program would stand that stands at `pc`: of an instruction in a stub, where it was copied from. */
uint64_t sites_program_counter(uint64_t pc);

#endif
