/* Variables and functions that compilers and linkers clone, drop or turn into constants. */
#include "places.h"

static const int positive = 200;
static const unsigned int high = 0xfffffff0u;
static const int negative = -5;
static const unsigned char byte = 200;
static const unsigned long all = ~0ul;

int sink;
__thread int of_thread = 4;
struct shared first, *list = &first;

__attribute__((noinline)) static int cloned(int a, int b) {
  static int calls;
  sink += a * ++calls;
  return a + b + sink;
}

__attribute__((noinline)) int dropped(int x) { return x * 3 + sink; }

int dropped_value = 9;

int main(int argc, char **argv) {
  (void)argv;
  sink += positive + (int)high + negative + byte + (int)all + of_thread;
  return cloned(argc, 7) + cloned(argc + 1, 7) + other();
}
