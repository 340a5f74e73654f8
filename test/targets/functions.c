/*
 * Functions of every calling kind, each with its own probe: recursive, mutually
 * recursive, variadic, with many floating-point arguments, large results,
 * reached only through pointers, left by longjmp, called in tail position,
 * under an alias.
 */
#include "target.h"

#include "functions.h"

#include <setjmp.h>
#include <stdarg.h>

TARGET_PROBE(recursive_probe, "recursive")
TARGET_PROBE(mutual_probe, "mutual")
TARGET_PROBE(variadic_probe, "variadic")
TARGET_PROBE(floats_probe, "floats")
TARGET_PROBE(large_probe, "large")
TARGET_PROBE(wide_probe, "wide")
TARGET_PROBE(pointer_probe, "pointer")
TARGET_PROBE(jump_probe, "longjmp")
TARGET_PROBE(tail_probe, "tail")
TARGET_PROBE(alias_probe, "alias")
TARGET_COUNTER(mixed_recursions, "mixed_recursions")

/* Every level adds 1 (new: 1000, newer: 1000000): the sum tells how many levels ran which version. */
TARGET_UPDATED long recurse(long depth) {
  /* Volatile: the compiler is not to see that it returns its argument. */
  volatile long one = 1;
  return depth == 0 ? 0 : one + recurse(depth - 1);
}

long is_odd(unsigned long number);
TARGET_UPDATED long is_even(unsigned long number) { return number == 0 ? 1 : is_odd(number - 1); }
TARGET_UPDATED long is_odd(unsigned long number) { return number == 0 ? 0 : is_even(number - 1); }

/* Kinds: 'i' int, 'd' double, 'l' long, 'L' long double. */
TARGET_UPDATED double total(const char *kinds, ...) {
  va_list values;
  double sum = 0;
  va_start(values, kinds);
  for (; *kinds; kinds++) {
    if (*kinds == 'i') sum += va_arg(values, int);
    else if (*kinds == 'd') sum += va_arg(values, double);
    else if (*kinds == 'l') sum += (double)va_arg(values, long);
    else sum += (double)va_arg(values, long double);
  }
  va_end(values);
  return sum;
}

TARGET_UPDATED struct pair blend(double a, float b, double c, long i, double d, float e, double f,
                                 double g, struct shape shape, double h, float k, double l, int j,
                                 long double m) {
  struct pair result = {a + b + c + d + e + f + g + h, (double)m + k + l + shape.weight};
  result.first += (double)i + shape.tag;
  result.second += j;
  return result;
}

TARGET_UPDATED struct large spread(long seed) {
  struct large result;
  for (int i = 0; i < 6; i++) result.values[i] = seed + i;
  return result;
}

TARGET_UPDATED __int128 product(long a, long b) { return (__int128)a * b; }

static TARGET_UPDATED long by_pointer(long value) { return value + 1; }
typedef long operation(long);
static operation *volatile operations[] = {by_pointer};

static __thread jmp_buf escape;
static __thread volatile long escaped;
TARGET_UPDATED void leave(long value) {
  escaped = value + 1;
  longjmp(escape, 1);
}

TARGET_UPDATED long tail_callee(long value) { return value ^ 0x55; }
__attribute__((noinline)) long tail_caller(long value) { return tail_callee(value * 2); }

TARGET_UPDATED long original_name(long value) { return value - 7; }
long other_name(long value) __attribute__((alias("original_name")));

static void check_recursive(void) {
  unsigned epoch = target_epoch();
  long sum = recurse(20);
  long levels[] = {sum % 1000, sum / 1000 % 1000, sum / 1000000};
  if (levels[0] + levels[1] + levels[2] != 20) {
    target_error("recurse: %ld is no sum of 20 levels", sum);
    return;
  }
  for (int version = 0; version < TARGET_VERSIONS; version++) {
    if (levels[version] == 20) {
      target_observe(&recursive_probe, epoch, (enum target_version)version);
      return;
    }
  }
  /* A call that was under way at the flip: its later levels ran the other version. */
  target_count(&mixed_recursions, 1);
}

static void check_mutual(void) {
  unsigned epoch = target_epoch();
  target_expect(&mutual_probe, epoch, is_even(16), 1, 101, 201);
  /* An odd count of steps from is_even ends in is_odd; all versions agree on what they add. */
  epoch = target_epoch();
  target_expect(&mutual_probe, epoch, is_even(7), 0, 100, 200);
}

static void check_floats(long turn) {
  unsigned epoch = target_epoch();
  double sum = total("idlLddddddddi", 3, 0.5, 10L, 0.25L, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 2);
  target_expect(&variadic_probe, epoch, (long)(sum * 4), 207, 2070, 20700);

  epoch = target_epoch();
  struct shape shape = {3, 0.125};
  struct pair pair = blend(1, 2, 3, turn, 4, 5, 6, 7, shape, 8, 9, 10, 11, 0.5L);
  double first = 36 + (double)turn + 3, second = 0.5 + 9 + 10 + 0.125 + 11;
  if (pair.first == first && pair.second == second)
    target_observe(&floats_probe, epoch, TARGET_OLD);
  else if (pair.first == -first && pair.second == second * 2)
    target_observe(&floats_probe, epoch, TARGET_NEW);
  else target_error("blend: %d, %d", (int)pair.first, (int)pair.second);
}

static void check_results(long turn) {
  unsigned epoch = target_epoch();
  struct large large = spread(turn);
  long step = large.values[1] - large.values[0];
  for (int i = 0; i < 6; i++) {
    if (large.values[i] != turn + i * step) target_error("spread: element %d is wrong", i);
  }
  target_expect(&large_probe, epoch, step, 1, 10, 100);

  epoch = target_epoch();
  __int128 wide = product(turn << 40, 1L << 40);
  __int128 exact = (__int128)turn << 80;
  target_expect(&wide_probe, epoch, (long)(wide - exact), 0, 1, 2);
}

static void check_flow(long turn) {
  unsigned epoch = target_epoch();
  target_expect(&pointer_probe, epoch, operations[0](turn), turn + 1, turn + 2, turn + 3);
  if (operations[0] != by_pointer) target_error("a function's address has changed");

  epoch = target_epoch();
  if (setjmp(escape) == 0) {
    leave(turn);
    target_error("leave returned");
  }
  target_expect(&jump_probe, epoch, escaped, turn + 1, turn + 2, turn + 3);

  epoch = target_epoch();
  target_expect(&tail_probe, epoch, tail_caller(turn), (turn * 2) ^ 0x55, (turn * 2) ^ 0xaa,
                (turn * 2) ^ 0xff);

  epoch = target_epoch();
  target_expect(&alias_probe, epoch, other_name(turn), turn - 7, turn - 8, turn - 9);
}

static void *caller(void *argument) {
  (void)argument;
  for (long turn = 1; target_running(); turn++) {
    check_recursive();
    check_mutual();
    check_floats(turn);
    check_results(turn);
    check_flow(turn);
    if (turn % 64 == 0) target_sleep_us(200);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  for (long i = 0; i < target_option_number("threads", 4); i++) target_thread(caller, NULL);
  return target_serve();
}
