/*
 * Guarded pages: read-only where the program knows them, and writable at an alias that only the runtime
 * knows. Both are one piece of shared anonymous memory, so that a store through the alias is a store to the
 * page, and needs neither a system call nor a moment in which the page is open to everybody.
 *
 * Under the lock only. Results: 0, or a polus_fault; then nothing has changed.
 */
#ifndef POLUS_PAGES_H
#define POLUS_PAGES_H

#include "map.h"

/**
 * Guards `count` plain pages that follow one another from number `first`. They must be private and writable.
 * Stores of other threads meanwhile are either in, or wait for the lock in the handler.
 */
long pages_guard(uint64_t first, size_t count);

/** Makes guarded pages private and writable again, with what they hold. */
long pages_open(uint64_t first, size_t count);

/** Makes guarded pages private and inaccessible, with what they hold. */
long pages_retire(uint64_t first, size_t count);

/** Makes a retired page plain again. */
long page_revive(struct page *page);

/** How many pages may be guarded, opened or retired in one call. */
enum { MOST_PAGES = 64 };

/**
 * Around a fork, on the thread that forks. A child shares the memory of guarded pages with its parent
 * until `after` gives it its own, with the contents that they had at `before`.
 */
long pages_before_fork(void);
void pages_after_fork(int child);

#endif
