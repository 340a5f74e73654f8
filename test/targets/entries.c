/* Calls the functions of entries_code.S, whose first bytes are hard to redirect. */
#include "target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct entry {
  struct target_probe probe;
  long (*function)(long);
  /* What the old version adds; the new one adds 1000 more. */
  long added;
};

#define FUNCTIONS(X)                                                                               \
  X(short_unpadded, 0) X(after_short, 10) X(short_padded, 0) X(short_int3, 0)                      \
  X(false_padding, 0) X(false_padding_user, 10) X(loop_back, 10) X(branch_from_behind, 10)         \
  X(shared_tail, 10) X(shared_tail_user, 10) X(jump_table, 10) X(rip_relative, 10)                 \
  X(rip_relative_compare, 10) X(call_first, 10) X(get_pc, 10) X(branch_first, 10)                  \
  X(jrcxz_first, 10) X(jump_first, 10) X(short_jump_first, 10) X(endbr_first, 10)                  \
  X(stack_first, 10) X(line_crossing, 10) X(page_crossing_one, 10) X(page_crossing_three, 10)      \
  X(page_crossing_four, 10) X(page_crossing_endbr, 10) X(page_crossing_push, 10)                   \
  X(page_crossing_pushes, 10) X(page_crossing_loop, 10) X(before_crowded, 10)                      \
  X(page_crossing_crowded, 10) X(after_crowded, 10)

#define DECLARE(name, added) long name(long);
FUNCTIONS(DECLARE)
#define ENTRY(name, added) {{#name, 0}, name, added},
static struct entry entries[] = {FUNCTIONS(ENTRY)};

long loop_to_start(long value, int count);
long fill(char *to, long unused, long byte, long count);
long fill_crossing(char *to, long unused, long byte, long count);
long enter(long a, long b, long c, long number);

TARGET_PROBE(loop_probe, "loop_to_start")
TARGET_PROBE(enter_probe, "enter")

struct filling {
  struct target_probe probe;
  long (*function)(char *, long, long, long);
};
static struct filling filling = {{"fill", 0}, fill};
static struct filling filling_crossing = {{"fill_crossing", 0}, fill_crossing};

static int pipe_ends[2];

static void *caller(void *argument) {
  (void)argument;
  for (long turn = 1; target_running(); turn++) {
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
      long plain = turn + entries[i].added;
      unsigned epoch = target_epoch();
      target_expect(&entries[i].probe, epoch, entries[i].function(turn), plain, plain + 1000,
                    plain + 2000);
    }
    unsigned epoch = target_epoch();
    target_expect(&loop_probe, epoch, loop_to_start(turn, 0), turn + 10, turn + 1010, turn + 2010);
    if (turn % 64 == 0) target_sleep_us(500);
  }
  return NULL;
}

/* Nearly all its time inside one `rep stosb`. */
static void *filler(void *argument) {
  enum { SIZE = 8 * 1024 * 1024 };
  const struct filling *chosen = argument;
  char *memory = malloc(SIZE);
  if (!memory) abort();
  for (long turn = 1; target_running(); turn++) {
    long byte = turn & 0x7f;
    unsigned epoch = target_epoch();
    long result = chosen->function(memory, 0, byte, SIZE);
    target_expect(&chosen->probe, epoch, result, byte, byte + 1000, byte + 2000);
    for (size_t i = 0; i < SIZE; i += 4093) {
      if (memory[i] != byte) target_error("fill left byte %zu out", i);
    }
  }
  free(memory);
  return NULL;
}

/* Blocked in a system call that the function's first bytes make. */
static void *blocked(void *argument) {
  (void)argument;
  while (target_running()) {
    char byte = 0;
    unsigned epoch = target_epoch();
    long result = enter(pipe_ends[0], (long)&byte, 1, SYS_read);
    target_expect(&enter_probe, epoch, result, 1, 1001, 2001);
    if (byte != 'x') target_error("enter read something else");
  }
  return NULL;
}

static void *waker(void *argument) {
  (void)argument;
  for (;;) {
    bool last = !target_running();
    target_sleep_us(40000);
    if (write(pipe_ends[1], "xx", 2) != 2) target_error("waker could not write");
    if (last) return NULL;
  }
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
    target_register_probe(&entries[i].probe);
  }
  if (pipe(pipe_ends) != 0) abort();
  for (int i = 0; i < 2; i++) target_thread(caller, NULL);
  /* With --crossing the one whose entry crosses a page. */
  struct filling *chosen = target_option("crossing") != NULL ? &filling_crossing : &filling;
  target_register_probe(&chosen->probe);
  target_thread(filler, chosen);
  target_thread(blocked, NULL);
  target_thread(blocked, NULL);
  target_thread(waker, NULL);
  return target_serve();
}
