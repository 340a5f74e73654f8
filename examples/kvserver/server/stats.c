#include "stats.h"

#include <stdio.h>

struct stats stats;

size_t stats_format(char *buffer, size_t size) {
  int length = snprintf(buffer, size, "connections %lu commands %lu errors %lu comparisons %lu expired %lu",
                        atomic_load(&stats.connections), atomic_load(&stats.commands),
                        atomic_load(&stats.errors), atomic_load(&stats.comparisons),
                        atomic_load(&stats.expired));
  return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}
