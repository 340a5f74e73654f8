/* Readers that take no lock beside writers, and signal handlers on all of them. */
#ifndef UNDER_STRESS_H
#define UNDER_STRESS_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

enum { READERS = 3, WRITERS = 2 };

static atomic_int stop;

static inline unsigned chance(unsigned *seed) { return (*seed = *seed * 1664525u + 1013904223u) >> 8; }

/** One of the objects from `first` to before `end` that are this writer's alone. */
static inline long own_object(long writer, unsigned *seed, long first, long end) {
  for (;;) {
    long at = first + (long)chance(seed) % (end - first);
    at -= (at - writer) % WRITERS;
    if (at >= first) return at;
  }
}

/** Both get a number of their own, readers from 1 and writers from 0 on, and work until `stop`. */
static inline void under_stress(int seconds, void *(*reader)(void *), void *(*writer)(void *), void (*on_alarm)(int)) {
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  pthread_t threads[READERS + WRITERS];
  for (long i = 0; i < READERS + WRITERS; i++) {
    if (pthread_create(&threads[i], NULL, i < READERS ? reader : writer, (void *)(i < READERS ? i + 1 : i - READERS)) != 0) exit(3);
  }
  struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &often, NULL);
  for (int i = 0; i < seconds * 1000; i++) usleep(1000);
  setitimer(ITIMER_REAL, &never, NULL);
  atomic_store(&stop, 1);
  for (int i = 0; i < READERS + WRITERS; i++) pthread_join(threads[i], NULL);
}

#endif
