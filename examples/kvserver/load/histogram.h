/* Latencies in buckets whose width grows with the value: 64 to each power of two, so within 1.6 %. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 64
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 40)

struct histogram {
  uint64_t count;
  uint64_t max_ns;
  uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);

/* Adds `from` to `into`. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value below which `share` (0 to 1) of all lie; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

#endif
