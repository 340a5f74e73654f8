#include <stdbool.h>
#include <stdlib.h>

long work(long value, bool stay) {
  if (stay) abort();
  return value * 5 + 2;
}

long step(long value) { return value - 5; }

/* Nobody calls it again: its only caller is inside the old version. */
void loop_forever(void) { abort(); }
