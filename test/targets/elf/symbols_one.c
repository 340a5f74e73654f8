/* Symbols of every kind, some of which symbols_two.c has by the same name. */
#include <stdint.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone, used))

static volatile int counter = 1;
static volatile int big_table[5000];
int shared_total = 7;
const int read_only = 9;
__thread int tls_first = 3;
__thread int tls_second;
static __thread int tls_static = 4;
int *address_of_total = &shared_total;

static NOINLINE int helper(int x) { return x + counter + big_table[x & 1023] + tls_static; }

NOINLINE int original(int x) { return helper(x) * 2; }
extern __typeof__(original) other_name __attribute__((alias("original")));
__attribute__((weak)) NOINLINE int weak_function(int x) { return original(x) - 1; }
__attribute__((visibility("hidden"))) NOINLINE int hidden_function(int x) { return x ^ 5; }

static int chosen(int x) { return x * 3; }
static int (*choose(void))(int) { return chosen; }
int indirect(int x) __attribute__((ifunc("choose")));

int from_two(int x);

int main(int count, char **arguments) {
  (void)arguments;
  if (count > 1) pause();
  tls_first += from_two(count);
  tls_second = hidden_function(count) + weak_function(count) + other_name(count) + indirect(count);
  return (tls_second + *address_of_total + read_only) & 0;
}
