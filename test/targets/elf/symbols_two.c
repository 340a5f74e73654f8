/* Static things of the same names as in symbols_one.c. */
static volatile int counter = 100;

static __attribute__((noinline, noclone, used)) int helper(int x) { return x - counter++; }

int from_two(int x) { return helper(x); }
