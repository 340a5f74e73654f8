/* Counters of the whole server, bumped by every worker. */
#ifndef STATS_H
#define STATS_H

#include <stdatomic.h>
#include <stddef.h>

struct stats {
  atomic_ulong connections;
  atomic_ulong commands;
  atomic_ulong errors;
  atomic_ulong comparisons;
  atomic_ulong expired;
};

extern struct stats stats;

/* Writes the counters as `name value` pairs, blank between them; returns the length. */
size_t stats_format(char *buffer, size_t size);

#endif
