/*
 * Measures from inside how long a busy thread is held. The meter has the last
 * processor to itself and looks at the clock without pause; --threads threads
 * call the function in short bursts and sleep, on the other processors.
 *
 *   meter-start   begins a measurement
 *   meter-stop    ends it: the longest gap between two looks
 *
 * The meter has a real-time priority where that is allowed. The kernel takes
 * such a thread off its processor when it has starved others for nearly a
 * second: measurements must be shorter, with pauses between them.
 */
#include "target.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

TARGET_PROBE(work_probe, "work")
TARGET_COUNTER(real_time, "real_time")

static atomic_long longest_gap_ns, gaps_over_50us;
static atomic_bool measuring, idle;

TARGET_UPDATED long work(long value) { return value * 3 + 1; }

static void run_on(int first, int last) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int cpu = first; cpu <= last; cpu++) CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) abort();
}

static int last_processor(void) { return (int)sysconf(_SC_NPROCESSORS_ONLN) - 1; }

/* Nothing is stored but a new longest gap, so that the look is as short as it can be. */
static void measure(void) {
  long longest = 0, many = 0;
  long last = target_now_ns();
  while (atomic_load_explicit(&measuring, memory_order_relaxed)) {
    long now = target_now_ns();
    long gap = now - last;
    last = now;
    if (gap > longest) longest = gap;
    if (gap > 50000) many++;
  }
  atomic_store(&longest_gap_ns, longest);
  atomic_store(&gaps_over_50us, many);
}

static void *meter(void *argument) {
  (void)argument;
  struct sched_param priority = {.sched_priority = 1};
  run_on(last_processor(), last_processor());
  if (sched_setscheduler(0, SCHED_FIFO, &priority) == 0) target_count(&real_time, 1);
  else setpriority(PRIO_PROCESS, 0, -20);
  while (target_running()) {
    atomic_store(&idle, true);
    while (!atomic_load(&measuring) && target_running()) target_sleep_us(200);
    atomic_store(&idle, false);
    measure();
  }
  return NULL;
}

static void *caller(void *argument) {
  long which = (long)argument;
  target_sleep_us(which * 79 % 20000);
  for (long turn = 1; target_running(); turn++) {
    unsigned epoch = target_epoch();
    for (long i = 1; i <= 200; i++) {
      target_expect(&work_probe, epoch, work(i), i * 3 + 1, i * 5 + 2, i * 7 + 3);
      epoch = target_epoch();
    }
    target_sleep_us(20000);
  }
  return NULL;
}

static bool on_command(const char *line, char *reply, size_t size) {
  if (strcmp(line, "meter-start") == 0) {
    atomic_store(&measuring, true);
    while (atomic_load(&idle)) target_sleep_us(100);
    snprintf(reply, size, "\"measuring\":true");
    return true;
  }
  if (strcmp(line, "meter-stop") == 0) {
    atomic_store(&measuring, false);
    while (!atomic_load(&idle)) target_sleep_us(100);
    snprintf(reply, size, "\"longest_gap_ns\":%ld,\"gaps_over_50us\":%ld",
             atomic_load(&longest_gap_ns), atomic_load(&gaps_over_50us));
    return true;
  }
  return false;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  target_on_command(on_command);
  if (last_processor() == 0) {
    fprintf(stderr, "stall: needs two processors\n");
    return 2;
  }
  run_on(0, last_processor() - 1);
  long threads = target_option_number("threads", 16);
  for (long i = 0; i < threads; i++) target_thread(caller, (void *)i);
  target_thread(meter, NULL);
  return target_serve();
}
