/*
 * The gate before the program's signal handlers. A thread in a stub has the lock with its signals open, as two
 * system calls would cost more than the store: what arrives then is put off until the lock is let go.
 *
 * Where the lock is not the thread's, the gate leads on by a jump: the program's handler runs in the kernel's frame,
 * as if nothing stood before it.
 */
#ifndef POLUS_GATES_H
#define POLUS_GATES_H

#include <stdint.h>

/** Releases what `lock_acquire_open` took; then what was put off arrives. */
void gates_release(void);

/** Whether the handler of this signal stands behind the gate, or would. Not in a child of vfork, whose actions are its own. */
int gates_cover(long number);

/**
 * What to tell the kernel in place of an action of the program's: the gate, if it has a handler. Under the lock.
 * `handler` and `flags` as in rt_sigaction(2), changed in place.
 */
void gates_hide(long number, uint64_t *handler, uint32_t *flags);
/** The reverse, for an action that the kernel has told. `was` is what `gates_handler` gave before `gates_hide`. */
void gates_show(uint64_t was, uint64_t *handler, uint32_t *flags);
/** What is remembered of a signal's handler, to be given back by `gates_remember` if the kernel refuses the new one. */
uint64_t gates_handler(long number);
void gates_remember(long number, uint64_t handler);
/** The kernel has taken an action: it is made again should it reset itself before a signal that is put off. */
void gates_installed(long number);

/** In the child of a fork. */
void gates_after_fork(void);

#endif
