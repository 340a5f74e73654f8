/*
 * State of every kind to be read and changed by scripts while threads work: what a script sets
 * is asked for by `show`, independent of debug information; `number N` sets plain_number.
 *
 *   --workers=N    threads that count their turns in thread-local variables, default 3
 *   --children=N   forked children that live as long as their parent
 *   --meddle       a thread that doubles `contested` as soon as somebody sets it to 100 or more
 */
#include "state.h"
#include "target.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

TARGET_PROBE(judge_probe, "judge")
TARGET_COUNTER(turns_counter, "turns")

enum mood { CALM = 1, BUSY = 2, ANGRY = 7 };
enum options { VERBOSE = 1, TRACE = 2, DRY = 4 };

struct limits {
  int most;
  int least;
  double factor;
};

struct config {
  char name[8];
  struct limits limits[3];
  struct limits *current;
  enum mood mood;
  unsigned flags : 3;
  signed level : 4;
  unsigned long stamp : 20;
  _Bool open;
};

struct config conf = {
    .name = "first",
    .limits = {{1, 0, 0.5}, {20, 2, 1.5}, {300, 3, 2.5}},
    .current = &conf.limits[1],
    .mood = CALM,
    .flags = VERBOSE,
    .level = -2,
    .stamp = 4711,
};

volatile signed char tiny = 5;
volatile unsigned char small = 6;
volatile short narrow = -7;
volatile long wide = 1L << 40;
volatile float ratio = 0.25f;
volatile double precise = 1e-3;
enum options chosen = TRACE;
volatile int plain_number = 10;
volatile int contested = 1;
/* Rises all the time. */
volatile unsigned long beats;
/* Rises 100 ms after a script has set `asked`. */
volatile int asked, answered;

struct node *head, *ring, *broken;
struct node *nothing = NULL;
struct node *wild = (struct node *)0x7654321000;
const char *greeting = "hello";
static volatile int shared_name = 1;
int check = 31, on = 32, list = 33, in = 34;

__thread long turns_here;
__thread struct limits limits_here = {5, 6, 7.5};

TARGET_UPDATED long judge(long value) { return value + 1; }

#define CALLED __attribute__((noipa, used))
CALLED long add(long a, long b) { return a + b; }
CALLED int set_plain_number(int value) {
  int before = plain_number;
  plain_number = value;
  return before;
}
CALLED const char *greet(void) { return greeting; }
CALLED double halve(double value) { return value / 2; }
CALLED void crash(void) { *(volatile int *)0x1230 = 1; }
CALLED void loop(void) {
  for (volatile long turn = 0;; turn++) continue;
}
CALLED long count_calls(void) {
  static long calls = 3;
  return ++calls;
}
long (*operation)(long, long) = add;
long (*no_operation)(long, long) = NULL;

static struct node *chain(int length, struct node **last) {
  struct node *first = NULL;
  for (int value = length; value >= 1; value--) {
    struct node *node = calloc(1, sizeof *node);
    node->value = value * 10;
    node->next = first;
    if (first == NULL) *last = node;
    first = node;
  }
  return first;
}

static void *worker(void *argument) {
  char name[16];
  snprintf(name, sizeof name, "worker-%ld", (long)argument);
  pthread_setname_np(pthread_self(), name);
  turns_here = 1000 * ((long)argument + 1);
  while (target_running()) {
    unsigned epoch = target_epoch();
    long value = turns_here;
    target_expect(&judge_probe, epoch, judge(value), value + 1, value + 2, value + 3);
    target_count(&turns_counter, 1);
    target_sleep_us(2000);
  }
  return NULL;
}

static void *beater(void *unused) {
  (void)unused;
  pthread_setname_np(pthread_self(), "beater");
  while (target_running()) {
    beats++;
    if (asked && !answered) {
      target_sleep_us(100000);
      answered = asked;
    }
    target_sleep_us(200);
  }
  return NULL;
}

static void *meddler(void *unused) {
  (void)unused;
  pthread_setname_np(pthread_self(), "meddler");
  while (target_running()) {
    if (contested >= 100 && contested < 1000) contested *= 10;
    target_sleep_us(200);
  }
  return NULL;
}

static void be_child(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) pause();
}

/* What a script cannot fake: the values as the program itself sees them. `number N` sets one before. */
static bool show(const char *line, char *reply, size_t size) {
  int number;
  if (sscanf(line, "number %d", &number) == 1) plain_number = number;
  else if (strcmp(line, "show") != 0) return false;
  int numbers[8] = {conf.limits[0].most, conf.limits[1].most, conf.limits[2].most, conf.mood,
                    conf.flags,          conf.level,          conf.stamp,          conf.open};
  snprintf(reply, size,
           "\"name\":\"%.8s\",\"limits\":[%d,%d,%d],\"mood\":%d,\"flags\":%d,\"level\":%d,"
           "\"stamp\":%d,\"open\":%d,\"current\":%d,\"tiny\":%d,\"small\":%d,\"narrow\":%d,"
           "\"wide\":%ld,\"ratio\":%g,\"precise\":%g,\"chosen\":%d,\"plain_number\":%d,"
           "\"contested\":%d,\"shared\":[%d,%d],\"first_node\":%d",
           conf.name, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5],
           numbers[6], numbers[7], (int)(conf.current - conf.limits), tiny, small, narrow, wide,
           (double)ratio, precise, (int)chosen, plain_number, contested, shared_name,
           other_shared_name(), head->value);
  return true;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  struct node *last;
  head = chain(3, &last);
  ring = chain(3, &last);
  last->next = ring;
  broken = chain(3, &last);
  last->next = broken->next;
  long children = target_option_number("children", 0);
  for (long i = 0; i < children; i++) {
    if (fork() == 0) be_child();
  }
  long workers = target_option_number("workers", 3);
  for (long i = 0; i < workers; i++) target_thread(worker, (void *)i);
  target_thread(beater, NULL);
  if (target_option("meddle") != NULL) target_thread(meddler, NULL);
  target_on_command(show);
  return target_serve();
}
