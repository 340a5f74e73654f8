#include "../many.h"

#define DEFINE(n)                                                                                  \
  long many_##n(long value);                                                                       \
  long many_##n(long value) { return value + n + 100000; }
MANY(DEFINE)
