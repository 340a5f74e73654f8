/*
 * The slow way: an instruction that cannot be performed aside is single-stepped with its page open. The lock
 * is kept meanwhile, so that nobody else's store is carried over; what siblings store to the open page is
 * noticed when it is closed, and carried over then.
 */
#ifndef POLUS_SLOW_H
#define POLUS_SLOW_H

#include "context.h"
#include "map.h"

/** Opens a page (a further one of the same instruction, too) and asks for a step. 0, or -1: too many pages. */
int slow_open(struct page *page, struct user_context *user);

/** Whether the calling thread is at its step. */
int slow_runs(void);

/** After the step: closes the pages, carries over what has changed, restores the thread's signal mask. */
void slow_close(struct user_context *user);

#endif
