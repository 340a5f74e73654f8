/* A function whose switch becomes a jump table, with a cold part, and one with an absolute table. */
#include <stdlib.h>
#include <stdio.h>

int volatile sink;

__attribute__((noinline)) int choose(int which, int x) {
  switch (which) {
    case 0: sink = 3; return x + 1;
    case 1: sink = 1; return x * 7;
    case 2: sink = 4; return x - 9;
    case 3: sink = 1; return x ^ 21;
    case 4: sink = 5; return x << 3;
    case 5: sink = 9; return x / 3;
    case 6: sink = 2; return x % 11;
    case 7: sink = 6; return ~x;
    case 8:
      fprintf(stderr, "this is unlikely\n");
      abort();
    default: return 0;
  }
}

__attribute__((noinline)) int interpret(const unsigned char *code, int x) {
  static const void *const labels[] = {&&add, &&twice, &&negate, &&done};
  goto *labels[*code++ & 3];
add:
  x += 1;
  goto *labels[*code++ & 3];
twice:
  x *= 2;
  goto *labels[*code++ & 3];
negate:
  x = -x;
  goto *labels[*code++ & 3];
done:
  return x;
}

int main(int count, char **arguments) {
  const unsigned char code[] = {0, 1, 2, 3};
  printf("%d %d\n", choose(count, 5), interpret(code, (int)arguments[0][0]));
  return 0;
}
