/*
 * Vector registers of a thread in a stub. The runtime leaves them alone; transfer functions do not. So they
 * are kept before the first of those runs, and put back at the end. (In a handler the kernel has done that.)
 */
#ifndef POLUS_VECTORS_H
#define POLUS_VECTORS_H

#include <stdint.h>

/** x87, SSE, AVX and the three of AVX-512 in either form of XSAVE (SDM volume 1, 13.4). */
enum { VECTORS_SIZE = 2752 };

struct vectors {
  struct vectors *outer;
  int kept;
  uint8_t room[VECTORS_SIZE + 64];
};

void vectors_start(void);

/** From here on transfer functions run in a stub, until `vectors_leave`. Under the lock. */
void vectors_enter(struct vectors *vectors);
void vectors_leave(struct vectors *vectors);

/** A transfer function is about to run. */
void vectors_needed(void);

#endif
