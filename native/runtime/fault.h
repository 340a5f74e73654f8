/* The handlers of SIGSEGV and SIGTRAP, and what of them belongs to the program. */
#ifndef POLUS_FAULT_H
#define POLUS_FAULT_H

#include <stdint.h>

/** Puts the handlers in place and keeps the program's own. 0, or a polus_fault. */
long fault_start(void);

/** Called for a touch of a retired page; 0 when the thread may try again. Defined by the sets. */
struct page;
long retired_page_touched(struct page *page, uint64_t address);

#endif
