/*
 * Waits for signals, and waits that real signals must go on interrupting: the
 * number of times that a handler ran is the number of EINTRs that were due.
 */
#include "blocked.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
  WAITED_SIGNAL = 40, /* blocked everywhere, taken by sigtimedwait */
  DESCRIPTOR_SIGNAL,  /* blocked everywhere, read from a signalfd */
  SUSPEND_SIGNAL,     /* handled inside sigsuspend only */
  EPOLL_SIGNAL,       /* handled inside epoll_pwait only */
  OPEN_SIGNAL         /* handled at any time, mostly inside epoll_wait */
};

static _Atomic pthread_t waited_thread, suspend_thread, epoll_thread, open_thread;
static atomic_bool waited_known, suspend_known, epoll_known, open_known;
static __thread volatile long handled;
static int signal_descriptor, silent_epoll, open_epoll;
static atomic_long open_sent, open_seen;
static atomic_int open_tries;

static void on_signal(int number) {
  (void)number;
  handled++;
}

/* No SA_RESTART: a handler's run must show as EINTR. */
static void handle(int number) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  wait_require(sigaction(number, &action, NULL) == 0, "sigaction");
}

/* Before any thread is started, so that all inherit it. */
static void block(int number) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  wait_require(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0, "sigmask");
}

static void announce(_Atomic pthread_t *thread, atomic_bool *known) {
  if (atomic_load(known)) return;
  atomic_store(thread, pthread_self());
  atomic_store(known, true);
}

static void notify(_Atomic pthread_t *thread, atomic_bool *known, int number) {
  if (atomic_load(known)) pthread_kill(atomic_load(thread), number);
}

static void set_up_sigtimedwait(void) { block(WAITED_SIGNAL); }
static void wait_sigtimedwait(void) {
  static const struct timespec limit = {.tv_sec = 60};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, WAITED_SIGNAL);
  announce(&waited_thread, &waited_known);
  wait_succeeded(sigtimedwait(&set, NULL, &limit), "sigtimedwait");
}
static void wake_sigtimedwait(void) { notify(&waited_thread, &waited_known, WAITED_SIGNAL); }

static void set_up_signalfd(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, DESCRIPTOR_SIGNAL);
  block(DESCRIPTOR_SIGNAL);
  signal_descriptor = signalfd(-1, &set, SFD_CLOEXEC);
  wait_require(signal_descriptor >= 0, "signalfd");
}
static void wait_signalfd(void) {
  struct signalfd_siginfo info;
  wait_succeeded(read(signal_descriptor, &info, sizeof info), "read of a signalfd");
}
static void wake_signalfd(void) { kill(getpid(), DESCRIPTOR_SIGNAL); }

/* All signals of the thread but one stay blocked. */
static sigset_t mask_without(int number) {
  sigset_t set;
  pthread_sigmask(SIG_BLOCK, NULL, &set);
  sigdelset(&set, number);
  return set;
}

static void set_up_sigsuspend(void) {
  block(SUSPEND_SIGNAL);
  handle(SUSPEND_SIGNAL);
}
static void wait_sigsuspend(void) {
  announce(&suspend_thread, &suspend_known);
  sigset_t set = mask_without(SUSPEND_SIGNAL);
  long before = handled;
  sigsuspend(&set);
  if (handled == before) target_error("sigsuspend returned though no handler had run");
}
static void wake_sigsuspend(void) { notify(&suspend_thread, &suspend_known, SUSPEND_SIGNAL); }

static void set_up_epoll_pwait(void) {
  block(EPOLL_SIGNAL);
  handle(EPOLL_SIGNAL);
  silent_epoll = epoll_create1(EPOLL_CLOEXEC);
  wait_require(silent_epoll >= 0, "epoll_create1");
}
/* The signal can come only inside the call: each one that is handled is exactly one EINTR. */
static void wait_epoll_pwait(void) {
  struct epoll_event events[2];
  announce(&epoll_thread, &epoll_known);
  sigset_t set = mask_without(EPOLL_SIGNAL);
  long before = handled;
  long result = epoll_pwait(silent_epoll, events, 2, -1, &set);
  if (result >= 0) target_error("epoll_pwait returned %ld", result);
  else if (errno != EINTR) target_error("epoll_pwait failed: %s", strerror(errno));
  else if (handled != before + 1) target_error("epoll_pwait: EINTR with %ld handler runs", handled - before);
}
static void wake_epoll_pwait(void) { notify(&epoll_thread, &epoll_known, EPOLL_SIGNAL); }

/*
 * The common loop `while (!stop) epoll_wait(…)`: the signal must break the
 * wait. One that comes just outside the call is repeated; three in a row that
 * break nothing mean that an EINTR was swallowed.
 */
static void set_up_open_epoll(void) {
  handle(OPEN_SIGNAL);
  open_epoll = epoll_create1(EPOLL_CLOEXEC);
  wait_require(open_epoll >= 0, "epoll_create1");
}
static void wait_open_epoll(void) {
  struct epoll_event events[2];
  announce(&open_thread, &open_known);
  long before = handled;
  long result = epoll_wait(open_epoll, events, 2, -1);
  if (result >= 0) target_error("epoll_wait without descriptors returned %ld", result);
  else if (errno != EINTR) target_error("epoll_wait failed: %s", strerror(errno));
  else if (handled == before) target_error("epoll_wait: EINTR though no handler had run");
  atomic_store(&open_seen, atomic_load(&open_sent));
}
static void wake_open_epoll(void) {
  if (atomic_load(&open_seen) == atomic_load(&open_sent)) {
    atomic_fetch_add(&open_sent, 1);
    atomic_store(&open_tries, 0);
  } else if (atomic_fetch_add(&open_tries, 1) == 3) {
    target_error("real signals do not interrupt epoll_wait");
  }
  notify(&open_thread, &open_known, OPEN_SIGNAL);
}

struct wait_kind signal_kinds[] = {
    {"sigtimedwait", set_up_sigtimedwait, wait_sigtimedwait, wake_sigtimedwait, {0}},
    {"signalfd", set_up_signalfd, wait_signalfd, wake_signalfd, {0}},
    {"sigsuspend", set_up_sigsuspend, wait_sigsuspend, wake_sigsuspend, {0}},
    {"epoll_pwait", set_up_epoll_pwait, wait_epoll_pwait, wake_epoll_pwait, {0}},
    {"epoll_signal", set_up_open_epoll, wait_open_epoll, wake_open_epoll, {0}},
    {0},
};
