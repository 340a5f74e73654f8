/* Storing instructions of the program in whose places jumps stand; polus_runtime.h has the contract. */
#ifndef POLUS_SITES_H
#define POLUS_SITES_H

#include <stdint.h>

/** `trap` of a context that a stub has made, where the kernel's have the number of an exception. */
enum { CONTEXT_OF_STUB = 256 };

/** Takes note of a store that was caught. Under the lock. */
void sites_note(uint64_t instruction);

/** Where the program would stand that stands at `pc`: of an instruction in a stub, where it was copied from. */
uint64_t sites_program_counter(uint64_t pc);

#endif
