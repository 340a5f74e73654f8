/*
 * Functions to be called from outside while threads sleep, compute and allocate. Nothing in
 * the program calls most of them.
 */
#include "target.h"

#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

TARGET_COUNTER(allocated, "allocated")
TARGET_COUNTER(handled, "handled")

#define CALLED __attribute__((noipa, used))

CALLED long add(long a, long b) { return a + b; }
CALLED int narrow(signed char a, unsigned short b, int c) { return a + b + c; }
CALLED double scale(double a, float b) { return a * b; }
CALLED float halve(float a) { return a / 2; }
CALLED size_t length(const char *text) { return strlen(text); }

/* Every argument has its own weight. */
CALLED long many(long a, long b, long c, long d, long e, long f, long g, long h, long i) {
  return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i;
}

CALLED double mixed(double a, long b, double c, double d, double e, double f, double g, double h,
                    double i, double j, const char *last) {
  return a + (double)b + c + d + e + f + g + h + 100 * i + 1000 * j + last[0];
}

CALLED double total(const char *kinds, ...) {
  va_list values;
  double sum = 0;
  va_start(values, kinds);
  for (; *kinds; kinds++) sum += *kinds == 'd' ? va_arg(values, double) : (double)va_arg(values, long);
  va_end(values);
  return sum;
}

struct wide {
  long first, second;
};
CALLED struct wide twice(long value) { return (struct wide){value, 2 * value}; }

/* True if a call begins as the ABI says. */
CALLED long aligned(void) {
  unsigned char frame = 0;
  (void)frame;
  return ((unsigned long)__builtin_frame_address(0) & 15) == 0;
}

long *volatile nowhere;
CALLED long crash(void) {
  nowhere = (long *)0x1230;
  return *nowhere;
}
CALLED void give_up(void) { abort(); }
CALLED void leave(void) { _exit(7); }
static volatile long bottom = -1;
CALLED void overflow(long depth) {
  volatile char room[4096];
  room[0] = 1;
  if (depth != bottom) overflow(depth + 1);
  room[1] = room[0];
}
CALLED void loop(void) {
  for (volatile long turn = 0;; turn++) continue;
}
CALLED long nap(long ms) {
  target_sleep_us(ms * 1000);
  return ms;
}
CALLED long take_memory(long size) {
  char *memory = malloc(size);
  memset(memory, 1, size);
  long sum = memory[size - 1];
  free(memory);
  return sum;
}

/* Sent while a call runs, to be handled by the thread that was borrowed, afterwards. */
static void on_signal(int number) {
  (void)number;
  target_count(&handled, 1);
}

/* A thread that counts its way back out of a jump over a borrowed call. */
static jmp_buf place;
static volatile long jumps;
CALLED void jump(void) {
  if (jumps == 0) {
    jumps = 1;
    longjmp(place, 1);
  }
}
CALLED long jumps_so_far(void) { return jumps; }

static void *jumper(void *unused) {
  (void)unused;
  pthread_setname_np(pthread_self(), "jumper");
  if (setjmp(place) != 0) jumps = 2;
  while (target_running()) {
    struct timespec time = {0, 5000000};
    if (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL) != 0) target_error("interrupted");
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (sigismember(&mask, SIGUSR1)) target_error("signals stay blocked");
  }
  return NULL;
}

/* A thread that sleeps for a while again and again, and a function that must not keep it from waking up. */
static volatile long naps;
CALLED long naps_so_far(void) { return naps; }
CALLED long wake_nobody(void) {
  static int word;
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  return 1;
}

/* The runtime's way to say whether it is to be stopped at system calls, by stores that fault. */
const unsigned long stops_words[2] = {0};
static void say_stops(int on) {
  __asm__ volatile(".byte 0x89, 0x07" : : "D"(&stops_words[on]) : "memory"); /* mov %eax, (%rdi) */
}

static long switches_of_calls(void) {
  struct rusage before, after;
  getrusage(RUSAGE_THREAD, &before);
  for (int i = 0; i < 100; i++) syscall(SYS_getppid);
  getrusage(RUSAGE_THREAD, &after);
  return after.ru_nvcsw - before.ru_nvcsw;
}

/* How often it stood still in a hundred system calls: before, between saying off and on, and after. */
CALLED long stood_still(int when) {
  long counts[3];
  counts[0] = switches_of_calls();
  say_stops(0);
  counts[1] = switches_of_calls();
  say_stops(1);
  counts[2] = switches_of_calls();
  return counts[when];
}
CALLED void leave_later(void) {
  say_stops(0);
  syscall(SYS_getppid);
  say_stops(1);
  _exit(7);
}

static void *sleeper(void *unused) {
  (void)unused;
  pthread_setname_np(pthread_self(), "sleeper");
  while (target_running()) {
    struct timespec time = {0, 20000000};
    if (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL) != 0) target_error("interrupted");
    naps++;
  }
  return NULL;
}

static void *allocator(void *unused) {
  (void)unused;
  pthread_setname_np(pthread_self(), "allocator");
  while (target_running()) {
    void *memory[64];
    for (int i = 0; i < 64; i++) memory[i] = malloc((size_t)(i * 37 + 1));
    for (int i = 0; i < 64; i++) free(memory[i]);
    target_count(&allocated, 64);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  signal(SIGUSR1, on_signal);
  long allocators = target_option_number("allocators", 1);
  for (long i = 0; i < allocators; i++) target_thread(allocator, NULL);
  if (target_option("jumper") != NULL) target_thread(jumper, NULL);
  if (target_option("sleeper") != NULL) target_thread(sleeper, NULL);
  return target_serve();
}
