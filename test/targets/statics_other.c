/* The other file with a static function `scale` and a static variable `factor`. */
#include "target.h"

long scale_there(long value);

static long factor = 5;

static TARGET_UPDATED long scale(long value) {
  *(volatile long *)&factor = factor;
  return value * factor;
}

long scale_there(long value) { return scale(value); }
