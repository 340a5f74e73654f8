/* The runtime's one lock, recursive by thread. */
#ifndef POLUS_LOCK_H
#define POLUS_LOCK_H

#include <stdint.h>

/**
 * A number of the calling thread's own: its fs base (set_thread_area(2), arch_prctl(2)). A child of
 * vfork has its parent's, which sleeps meanwhile.
 */
uint64_t thread_identity(void);

/** Says whether the instruction `rdfsbase` may be used (AT_HWCAP2, bit 1). */
void lock_start(int fsgsbase);
int lock_fsgsbase(void);

/** In the child of a fork: of those who waited nobody is there. The caller has the lock. */
void lock_after_fork(void);

/** Waits for the lock, however long; every holder lets it go within microseconds to a millisecond. */
void lock_acquire(void);
void lock_release(void);

/** Lets those have it who wait for it, and takes it again. */
void lock_breathe(void);

/**
 * The same outside a handler: no handler of the program's may run on this thread meanwhile, as its stores
 * would find the tables half-changed. Returns the mask of signals that `lock_leave` puts back.
 */
uint64_t lock_enter(void);
void lock_leave(uint64_t mask);

/**
 * Takes the lock with the program's signals open, where `gates.h` puts off what arrives until it is let go.
 * `gates_release` is the other half.
 */
void lock_acquire_open(void);

/** Whether the calling thread has it. */
int lock_is_mine(void);

#endif
