/* The library of library.c. */
#include "library_shared.h"

__attribute__((noipa)) long shared_work(long value) { return value + 10; }

long shared_outer(long value) { return -shared_work(value); }

/* Not exported: found in the symbol table only. */
static volatile long factor = 2;
static __attribute__((noipa)) long hidden(long value) { return value * factor; }
long shared_hidden_caller(long value) { return hidden(value); }
