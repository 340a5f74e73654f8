/* Waits for descriptors: pipes, sockets, event queues, file locks, children. */
#include "blocked.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* A pipe or socket pair per kind: [0] is waited on, [1] is written by the waker. */
static int read_ends[2], poll_ends[2], select_ends[2], recv_ends[2], recvmsg_ends[2], send_ends[2];
static int event, epoll, epoll_event, listener, timed_listener, notify;
static struct sockaddr_un listener_address, timed_listener_address;
static int held_lock, wanted_lock;
static mqd_t queue;
static aio_context_t aio;

static void drain(int descriptor) {
  char bytes[64];
  wait_succeeded(read(descriptor, bytes, sizeof bytes), "read of what was announced");
}

static void send_byte(int descriptor) {
  if (write(descriptor, "x", 1) != 1 && errno != EAGAIN) target_error("waker could not write");
}

static void set_up_read(void) { wait_require(pipe2(read_ends, O_CLOEXEC) == 0, "pipe"); }
static void wait_read(void) {
  char byte;
  wait_succeeded(read(read_ends[0], &byte, 1), "read");
}
static void wake_read(void) { send_byte(read_ends[1]); }

static void set_up_poll(void) { wait_require(pipe2(poll_ends, O_CLOEXEC) == 0, "pipe"); }
static void wait_poll(void) {
  struct pollfd set = {.fd = poll_ends[0], .events = POLLIN};
  if (wait_succeeded(poll(&set, 1, -1), "poll")) drain(poll_ends[0]);
}
static void wake_poll(void) { send_byte(poll_ends[1]); }

static void set_up_select(void) { wait_require(pipe2(select_ends, O_CLOEXEC) == 0, "pipe"); }
static void wait_select(void) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(select_ends[0], &set);
  if (wait_succeeded(select(select_ends[0] + 1, &set, NULL, NULL, NULL), "select")) {
    drain(select_ends[0]);
  }
}
static void wake_select(void) { send_byte(select_ends[1]); }

static void set_up_epoll(void) {
  epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event = eventfd(0, EFD_CLOEXEC);
  struct epoll_event interest = {.events = EPOLLIN};
  wait_require(epoll >= 0 && epoll_event >= 0, "epoll");
  wait_require(epoll_ctl(epoll, EPOLL_CTL_ADD, epoll_event, &interest) == 0, "epoll_ctl");
}
static void wait_epoll(void) {
  struct epoll_event events[4];
  if (wait_succeeded(epoll_wait(epoll, events, 4, -1), "epoll_wait")) drain(epoll_event);
}
static void wake_epoll(void) {
  if (eventfd_write(epoll_event, 1) != 0) target_error("waker could not write");
}

static void set_up_eventfd(void) {
  event = eventfd(0, EFD_CLOEXEC);
  wait_require(event >= 0, "eventfd");
}
static void wait_eventfd(void) { drain(event); }
static void wake_eventfd(void) {
  if (eventfd_write(event, 1) != 0) target_error("waker could not write");
}

static int listen_on(struct sockaddr_un *address, const char *what) {
  int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  wait_require(descriptor >= 0, "socket");
  address->sun_family = AF_UNIX;
  /* Abstract: nothing is left in the file system. */
  snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "blocked-%s-%d", what,
           (int)getpid());
  wait_require(bind(descriptor, (struct sockaddr *)address, sizeof *address) == 0, "bind");
  wait_require(listen(descriptor, 128) == 0, "listen");
  return descriptor;
}
static void connect_once(const struct sockaddr_un *address) {
  int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  connect(descriptor, (const struct sockaddr *)address, sizeof *address);
  close(descriptor);
}
static void accept_once(int descriptor, const char *call) {
  int connection = accept4(descriptor, NULL, NULL, SOCK_CLOEXEC);
  if (wait_succeeded(connection, call)) close(connection);
}
static void set_up_accept(void) { listener = listen_on(&listener_address, "accept"); }
static void wait_accept(void) { accept_once(listener, "accept"); }
static void wake_accept(void) { connect_once(&listener_address); }

/* A time-out that is never reached makes the kernel say EINTR instead of restarting. */
static void set_up_timed_accept(void) {
  struct timeval limit = {.tv_sec = 60};
  timed_listener = listen_on(&timed_listener_address, "timed");
  wait_require(setsockopt(timed_listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0,
               "SO_RCVTIMEO");
}
static void wait_timed_accept(void) { accept_once(timed_listener, "accept with SO_RCVTIMEO"); }
static void wake_timed_accept(void) { connect_once(&timed_listener_address); }

static void socket_pair_with_limit(int *ends, int option) {
  struct timeval limit = {.tv_sec = 60};
  wait_require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  wait_require(setsockopt(ends[0], SOL_SOCKET, option, &limit, sizeof limit) == 0, "time-out");
}
static void set_up_recv(void) { socket_pair_with_limit(recv_ends, SO_RCVTIMEO); }
static void wait_recv(void) {
  char byte;
  wait_succeeded(recv(recv_ends[0], &byte, 1, 0), "recv with SO_RCVTIMEO");
}
static void wake_recv(void) { send_byte(recv_ends[1]); }

static void set_up_recvmsg(void) {
  wait_require(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, recvmsg_ends) == 0, "socketpair");
}
static void wait_recvmsg(void) {
  char bytes[8];
  struct iovec part = {bytes, sizeof bytes};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  wait_succeeded(recvmsg(recvmsg_ends[0], &message, 0), "recvmsg");
}
static void wake_recvmsg(void) { send_byte(recvmsg_ends[1]); }

/* The peer's buffer is full until the waker reads. */
static void set_up_send(void) {
  socket_pair_with_limit(send_ends, SO_SNDTIMEO);
  char block[4096] = {0};
  while (send(send_ends[0], block, sizeof block, MSG_DONTWAIT) > 0) {
  }
  fcntl(send_ends[1], F_SETFL, O_NONBLOCK);
}
static void wait_send(void) {
  char block[4096] = {0};
  wait_succeeded(send(send_ends[0], block, sizeof block, 0), "send with SO_SNDTIMEO");
}
static void wake_send(void) {
  char block[65536];
  if (read(send_ends[1], block, sizeof block) < 0 && errno != EAGAIN) target_error("waker read");
}

/* A file lock that the waker releases for a moment. */
static void set_up_lock(void) {
  held_lock = memfd_create("blocked-lock", MFD_CLOEXEC);
  wait_require(held_lock >= 0, "memfd_create");
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", held_lock);
  wanted_lock = open(path, O_RDWR | O_CLOEXEC);
  wait_require(wanted_lock >= 0, "open of the lock");
  wait_require(flock(held_lock, LOCK_EX) == 0, "flock");
}
static void wait_lock(void) {
  if (wait_succeeded(flock(wanted_lock, LOCK_EX), "flock")) flock(wanted_lock, LOCK_UN);
}
static void wake_lock(void) {
  flock(held_lock, LOCK_UN);
  target_sleep_us(1000);
  if (target_running() && flock(held_lock, LOCK_EX) != 0) target_error("waker's flock");
}

static void set_up_inotify(void) {
  notify = inotify_init1(IN_CLOEXEC);
  wait_require(notify >= 0 && inotify_add_watch(notify, "/proc/self/exe", IN_ATTRIB | IN_OPEN) >= 0,
               "inotify");
}
static void wait_inotify(void) {
  char events[1024];
  wait_succeeded(read(notify, events, sizeof events), "read of inotify");
}
static void wake_inotify(void) {
  int descriptor = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (descriptor >= 0) close(descriptor);
}

static void set_up_queue(void) {
  char name[64];
  struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 8};
  snprintf(name, sizeof name, "/blocked-%d", (int)getpid());
  queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
  wait_require(queue != (mqd_t)-1, "mq_open");
  mq_unlink(name);
}
static void wait_queue(void) {
  char message[8];
  wait_succeeded(mq_receive(queue, message, sizeof message, NULL), "mq_receive");
}
static void wake_queue(void) {
  struct timespec past = {0};
  mq_timedsend(queue, "x", 1, 0, &past);
}

/* The old asynchronous interface: its wait says EINTR at any interruption. */
static void set_up_aio(void) { wait_require(syscall(SYS_io_setup, 4, &aio) == 0, "io_setup"); }
static void wait_aio(void) {
  struct io_event events[4];
  struct timespec limit = {.tv_nsec = 150000000};
  long begin = target_now_ns();
  if (wait_succeeded(syscall(SYS_io_getevents, aio, 1, 4, events, &limit), "io_getevents")) {
    wait_lasted(begin, 150, "io_getevents");
  }
}

/* A child that lives for a moment. */
static void wait_child(void) {
  pid_t child = fork();
  if (child == 0) {
    target_sleep_us(150000);
    _exit(7);
  }
  if (!wait_succeeded(child, "fork")) return;
  int status = 0;
  if (!wait_succeeded(waitpid(child, &status, 0), "waitpid")) return;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) target_error("child ended with %x", status);
}

struct wait_kind descriptor_kinds[] = {
    {"read", set_up_read, wait_read, wake_read, {0}},
    {"poll", set_up_poll, wait_poll, wake_poll, {0}},
    {"select", set_up_select, wait_select, wake_select, {0}},
    {"epoll_wait", set_up_epoll, wait_epoll, wake_epoll, {0}},
    {"eventfd", set_up_eventfd, wait_eventfd, wake_eventfd, {0}},
    {"accept", set_up_accept, wait_accept, wake_accept, {0}},
    {"accept_timed", set_up_timed_accept, wait_timed_accept, wake_timed_accept, {0}},
    {"recv_timed", set_up_recv, wait_recv, wake_recv, {0}},
    {"recvmsg", set_up_recvmsg, wait_recvmsg, wake_recvmsg, {0}},
    {"send_timed", set_up_send, wait_send, wake_send, {0}},
    {"flock", set_up_lock, wait_lock, wake_lock, {0}},
    {"inotify", set_up_inotify, wait_inotify, wake_inotify, {0}},
    {"mq_receive", set_up_queue, wait_queue, wake_queue, {0}},
    {"io_getevents", set_up_aio, wait_aio, NULL, {0}},
    {"waitpid", NULL, wait_child, NULL, {0}},
    {0},
};
