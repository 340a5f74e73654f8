/* A program with an IFUNC of its own; the patch calls it and libc's IFUNCs. */
#include "target.h"

#include <string.h>

TARGET_PROBE(digest_probe, "digest")

static long pick_plain(long value) { return value + 17; }
static long (*resolve_pick(void))(long) { return pick_plain; }
long pick(long value) __attribute__((ifunc("resolve_pick")));

/* Old: sum of the bytes up to the terminator, plus 17. */
TARGET_UPDATED long digest(const char *text) {
  long sum = 0;
  while (*text) sum += (unsigned char)*text++;
  return pick(sum);
}

static void *caller(void *argument) {
  (void)argument;
  char text[200];
  for (long turn = 1; target_running(); turn++) {
    size_t length = (size_t)(turn % 150) + 1;
    memset(text, 'a' + (int)(turn % 26), length);
    text[length] = '\0';
    long sum = (long)length * ('a' + turn % 26);
    unsigned epoch = target_epoch();
    target_expect(&digest_probe, epoch, digest(text), sum + 17, -(sum + 17), 0);
    if (turn % 64 == 0) target_sleep_us(200);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  for (long i = 0; i < target_option_number("threads", 3); i++) target_thread(caller, NULL);
  return target_serve();
}
