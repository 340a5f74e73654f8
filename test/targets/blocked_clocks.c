/* Waits that end by time. */
#include "blocked.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_MS = 150 };

static int empty_epoll, timer;
static const struct timespec limit = {.tv_nsec = LIMIT_MS * 1000000L};

static void wait_nanosleep(void) {
  long begin = target_now_ns();
  wait_succeeded(nanosleep(&limit, NULL), "nanosleep");
  wait_lasted(begin, LIMIT_MS, "nanosleep");
}

/* clock_nanosleep returns its error instead of setting errno. */
static void wait_clock_nanosleep(void) {
  long begin = target_now_ns();
  errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &limit, NULL);
  wait_succeeded(errno ? -1 : 0, "clock_nanosleep");
  wait_lasted(begin, LIMIT_MS, "clock_nanosleep");
}

static void wait_absolute_nanosleep(void) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  long begin = target_now_ns();
  until.tv_nsec += LIMIT_MS * 1000000L;
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
  wait_succeeded(errno ? -1 : 0, "clock_nanosleep to a time");
  wait_lasted(begin, LIMIT_MS, "clock_nanosleep to a time");
}

static void wait_poll_timeout(void) {
  long begin = target_now_ns();
  if (wait_succeeded(poll(NULL, 0, LIMIT_MS), "poll with a time-out")) {
    wait_lasted(begin, LIMIT_MS, "poll with a time-out");
  }
}

static void wait_ppoll_timeout(void) {
  long begin = target_now_ns();
  if (wait_succeeded(ppoll(NULL, 0, &limit, NULL), "ppoll with a time-out")) {
    wait_lasted(begin, LIMIT_MS, "ppoll with a time-out");
  }
}

static void wait_select_timeout(void) {
  struct timeval left = {.tv_usec = LIMIT_MS * 1000L};
  long begin = target_now_ns();
  if (wait_succeeded(select(0, NULL, NULL, NULL, &left), "select with a time-out")) {
    wait_lasted(begin, LIMIT_MS, "select with a time-out");
  }
}

static void wait_pselect_timeout(void) {
  long begin = target_now_ns();
  if (wait_succeeded(pselect(0, NULL, NULL, NULL, &limit, NULL), "pselect with a time-out")) {
    wait_lasted(begin, LIMIT_MS, "pselect with a time-out");
  }
}

static void set_up_epoll_timeout(void) {
  empty_epoll = epoll_create1(EPOLL_CLOEXEC);
  wait_require(empty_epoll >= 0, "epoll_create1");
}
static void wait_epoll_timeout(void) {
  struct epoll_event events[4];
  long begin = target_now_ns();
  if (wait_succeeded(epoll_wait(empty_epoll, events, 4, LIMIT_MS), "epoll_wait with a time-out")) {
    wait_lasted(begin, LIMIT_MS, "epoll_wait with a time-out");
  }
}

static void set_up_timerfd(void) {
  struct itimerspec period = {limit, limit};
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  wait_require(timer >= 0 && timerfd_settime(timer, 0, &period, NULL) == 0, "timerfd");
}
static void wait_timerfd(void) {
  unsigned long expirations = 0;
  wait_succeeded(read(timer, &expirations, sizeof expirations), "read of a timerfd");
}

struct wait_kind clock_kinds[] = {
    {"nanosleep", NULL, wait_nanosleep, NULL, {0}},
    {"clock_nanosleep", NULL, wait_clock_nanosleep, NULL, {0}},
    {"nanosleep_until", NULL, wait_absolute_nanosleep, NULL, {0}},
    {"poll_timeout", NULL, wait_poll_timeout, NULL, {0}},
    {"ppoll_timeout", NULL, wait_ppoll_timeout, NULL, {0}},
    {"select_timeout", NULL, wait_select_timeout, NULL, {0}},
    {"pselect_timeout", NULL, wait_pselect_timeout, NULL, {0}},
    {"epoll_timeout", set_up_epoll_timeout, wait_epoll_timeout, NULL, {0}},
    {"timerfd", set_up_timerfd, wait_timerfd, NULL, {0}},
    {0},
};
