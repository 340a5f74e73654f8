/*
 * A storm of signals: a timer per thread, handlers that call the updated
 * function, nest, run on alternate stacks, and interrupt the function itself.
 * Floating-point values of the interrupted code must survive.
 */
#include "target.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

TARGET_PROBE(answer_probe, "answer")
TARGET_PROBE(handler_probe, "handler")
TARGET_COUNTER(handled, "handled")

enum { OUTER_SIGNAL = 36, INNER_SIGNAL };

static long period_ns;

TARGET_UPDATED long answer(long question) { return question * 3 + 1; }

static void ask(const struct target_probe *probe, long turn) {
  unsigned epoch = target_epoch();
  target_expect(probe, epoch, answer(turn), turn * 3 + 1, turn * 5 + 2, turn * 7 + 3);
}

static void on_inner(int number, siginfo_t *info, void *context) {
  (void)info, (void)context;
  int kept = errno;
  ask(&handler_probe, number);
  errno = kept;
}

static void on_outer(int number, siginfo_t *info, void *context) {
  (void)context;
  int kept = errno;
  target_count(&handled, 1);
  if (info->si_code != SI_TIMER) target_error("a signal came from nowhere");
  ask(&handler_probe, number);
  /* Nested: the inner one is not blocked here. */
  if (info->si_value.sival_int % 2 == 0) syscall(SYS_tgkill, getpid(), gettid(), INNER_SIGNAL);
  errno = kept;
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_RESTART | flags;
  sigemptyset(&action.sa_mask);
  if (sigaction(number, &action, NULL) != 0) abort();
}

static timer_t start_timer(int which) {
  timer_t timer;
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = OUTER_SIGNAL;
  event.sigev_value.sival_int = which;
  event._sigev_un._tid = gettid();
  struct itimerspec period = {{0, period_ns}, {0, period_ns}};
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) abort();
  if (timer_settime(timer, 0, &period, NULL) != 0) abort();
  return timer;
}

static void *stormed(void *argument) {
  int which = (int)(long)argument;
  stack_t alternate = {.ss_size = 64 * 1024};
  alternate.ss_sp = malloc(alternate.ss_size);
  if (!alternate.ss_sp || sigaltstack(&alternate, NULL) != 0) abort();
  timer_t timer = start_timer(which);
  volatile double left = which + 1, right = 3;
  for (long turn = 1; target_running(); turn++) {
    ask(&answer_probe, turn);
    double product = left * right + (double)turn;
    if (product != (double)((which + 1) * 3 + turn)) target_error("a product is wrong");
    /* Every other thread sleeps, so that system calls are interrupted as well. */
    if (which % 2 == 0 && turn % 32 == 0) target_sleep_us(300);
    if (which % 2 == 1 && turn % 4096 == 0) target_sleep_us(300);
  }
  timer_delete(timer);
  alternate.ss_flags = SS_DISABLE;
  sigaltstack(&alternate, NULL);
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  period_ns = 1000000000L / target_option_number("rate", 4000);
  handle(OUTER_SIGNAL, on_outer, SA_ONSTACK);
  handle(INNER_SIGNAL, on_inner, 0);
  for (long i = 0; i < 4; i++) target_thread(stormed, (void *)i);
  return target_serve();
}
