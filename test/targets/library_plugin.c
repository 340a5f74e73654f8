/* Opened by library.c while it runs. */
#include "library_shared.h"

__attribute__((noipa)) long plugin_work(long value) { return value ^ 1; }
