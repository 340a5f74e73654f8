/*
 * Stops of a traced thread at its system calls. The engine looks at each that a call on a borrowed thread
 * makes, so that no function of a patch ends the program. A system call takes as long as two switches of
 * threads then, which no other thread should have to wait for: where only our own code runs with the lock,
 * the stops are put off.
 *
 * What says so is a store that faults, as the tracer sees it before anybody else. Without one our handler
 * skips it. Never under the lock, since the thread stands still meanwhile.
 */
#ifndef POLUS_STOPS_H
#define POLUS_STOPS_H

#include <stdint.h>

enum stops { STOPS_OFF = 0, STOPS_ON = 1 };

void stops_set(enum stops stops);

/** Length of the instruction that faulted, where that was said by it; 0. */
uint64_t stops_said(uint64_t address);

#endif
