/* New versions of all functions of functions.c. */
#include <setjmp.h>
#include <stdarg.h>

#include "../functions.h"

/* Calls the program's function by its own name, so that it reaches whichever version is current. */
extern long program_recurse(long depth) __asm__("recurse$");
long recurse(long depth) { return depth == 0 ? 0 : 1000 + program_recurse(depth - 1); }

/* Recurses inside the patch; its own definition wins over the program's. */
long is_odd(unsigned long number);
long is_even(unsigned long number) { return number == 0 ? 101 : is_odd(number - 1); }
long is_odd(unsigned long number) { return number == 0 ? 100 : is_even(number - 1); }

double total(const char *kinds, ...) {
  va_list values;
  double sum = 0;
  va_start(values, kinds);
  for (; *kinds; kinds++) {
    switch (*kinds) {
    case 'i': sum += va_arg(values, int); break;
    case 'd': sum += va_arg(values, double); break;
    case 'l': sum += (double)va_arg(values, long); break;
    default: sum += (double)va_arg(values, long double); break;
    }
  }
  va_end(values);
  return sum * 10;
}

struct pair blend(double a, float b, double c, long i, double d, float e, double f, double g,
                  struct shape shape, double h, float k, double l, int j, long double m) {
  struct pair result;
  result.first = -(a + b + c + d + e + f + g + h + (double)i + shape.tag);
  result.second = ((double)m + k + l + shape.weight + j) * 2;
  return result;
}

struct large spread(long seed) {
  struct large result;
  for (int i = 0; i < 6; i++) result.values[i] = seed + i * 10;
  return result;
}

__int128 product(long a, long b) { return (__int128)a * b + 1; }

long by_pointer_new(long value) { return value + 2; }

/* The program's thread-local statics and its import of longjmp. */
extern __thread jmp_buf program_escape __asm__("escape$functions.c");
extern __thread volatile long program_escaped __asm__("escaped$functions.c");
void leave(long value) {
  program_escaped = value + 2;
  longjmp(program_escape, 1);
}

long tail_callee(long value) { return value ^ 0xaa; }

long original_name(long value) { return value - 8; }
