/*
 * A global that changes its layout while one thread stays inside `hold`, so that both versions are guarded
 * until `leave`. Each command lets the kernel, a child or a handler write to the old version; `check` says by
 * whichever version is active whether that has arrived.
 *
 *   read recv readv recvmsg sockopt ioctl stat pipe random poll   calls that write into the box
 *   fork          a child writes to its own box, the parent to the parent's
 *   blocked       a thread that has blocked all signals writes
 *   handler       the program's own SIGSEGV handler gets the program's own faults; it writes to the box
 *   mprotect      the program makes the box's memory writable, and writes
 * With --aio it has asked the kernel to be able to write later.
 *
 *   munmap mremap   memory with objects goes, or moves
 *   altstack      a handler writes on a small stack of its own
 *   vfork         a child that shares the memory writes
 *   closed        all descriptors but the first three are closed: no command but `leave` may follow
 *   framed        starts a thread that blocks all signals and is in a handler
 *   unframe       lets it out of there, and write
 *   leave
 *   wake          what --waits=CALL waits for arrives
 *   restart       a signal arrives meanwhile, whose handler lets the call go on …
 *   interrupt     … or lets it fail, and be made again
 *   lay           creates an object in the page to which the thread reads (--yard)
 *   cancel        the thread that waits is cancelled
 */
#include "box.h"
#include "target.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

TARGET_PROBE(check_probe, "check")

struct box box = {.text = "empty", .count = 7};

static atomic_bool leave, staying;
static int pipe_ends[2], sockets[2];
static unsigned turn;

TARGET_UPDATED long hold(bool stay) {
  atomic_store(&staying, true);
  while (stay && target_running() && !atomic_load(&leave)) target_sleep_us(500);
  return 1;
}

/* 1 (by the old version), 2 (by the new one), or less than 0 if the box holds something else. */
TARGET_UPDATED long check(const char *text, unsigned count) {
  return strcmp(box.text, text) == 0 && box.count == count ? 1 : -1;
}

static void expect(const char *what, const char *text) {
  unsigned epoch = target_epoch();
  long version = check(text, box.count);
  if (version < 0) target_error("%s did not come to the active version", what);
  else target_expect(&check_probe, epoch, version, 1, 2, 3);
  if (strcmp(box.text, text) != 0) target_error("%s did not come to the old version: %s", what, box.text);
}

static void done(const char *what, long result, long wanted) {
  if (result != wanted) target_error("%s returned %ld (errno %d) instead of %ld", what, result, errno, wanted);
}

/** A new text, and the box's text made something else. */
static size_t next_text(char *text, size_t size) {
  snprintf(text, size, "text %u", ++turn);
  box.text[0] = '?';
  return strlen(text) + 1;
}

static void by_read(void) {
  char text[32];
  size_t length = next_text(text, sizeof text);
  done("write", write(pipe_ends[1], text, length), (long)length);
  done("read", read(pipe_ends[0], box.text, sizeof box.text), (long)length);
  expect("what was read", text);
}

static void by_recv(void) {
  char text[32];
  size_t length = next_text(text, sizeof text);
  done("send", send(sockets[1], text, length, 0), (long)length);
  done("recv", recv(sockets[0], box.text, sizeof box.text, 0), (long)length);
  expect("what was received", text);
}

enum { SLICES = 32 };

/** One that takes most of them. */
static size_t next_long_text(char *text, size_t size) {
  snprintf(text, size, "text %050u", ++turn);
  box.text[0] = '?';
  return strlen(text) + 1;
}

/** The box's text in slices of two bytes. */
static int slice_text(struct iovec *parts) {
  for (int i = 0; i < SLICES; i++) parts[i] = (struct iovec){box.text + 2 * i, 2};
  return SLICES;
}

static void by_readv(void) {
  char text[32], head[2];
  size_t length = next_text(text, sizeof text);
  done("write", write(pipe_ends[1], "ab", 2) + write(pipe_ends[1], text, length), (long)length + 2);
  struct iovec parts[] = {{head, 2}, {box.text, sizeof box.text}};
  done("readv", readv(pipe_ends[0], parts, 2), (long)length + 2);
  if (memcmp(head, "ab", 2) != 0) target_error("the first part is wrong");
  expect("what was read in parts", text);
  struct iovec many[SLICES];
  char long_text[64];
  length = next_long_text(long_text, sizeof long_text);
  done("write", write(pipe_ends[1], long_text, length), (long)length);
  done("readv", readv(pipe_ends[0], many, slice_text(many)), (long)length);
  expect("what was read in many parts", long_text);
}

static void by_recvmsg(void) {
  char text[32];
  size_t length = next_text(text, sizeof text);
  done("send", send(sockets[1], text, length, 0), (long)length);
  struct iovec part = {box.text, sizeof box.text};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  done("recvmsg", recvmsg(sockets[0], &message, 0), (long)length);
  if (message.msg_iov != &part) target_error("the message has become another");
  expect("a message", text);
  struct iovec many[SLICES];
  char long_text[64];
  length = next_long_text(long_text, sizeof long_text);
  done("send", send(sockets[1], long_text, length, 0), (long)length);
  message = (struct msghdr){.msg_iov = many, .msg_iovlen = (size_t)slice_text(many)};
  done("recvmsg", recvmsg(sockets[0], &message, 0), (long)length);
  if (message.msg_flags != 0 || message.msg_iovlen != SLICES) target_error("a message in many parts was cut");
  expect("a message in many parts", long_text);
}

static void by_sockopt(void) {
  socklen_t size = sizeof box.count;
  box.count = 4711;
  done("getsockopt", getsockopt(sockets[0], SOL_SOCKET, SO_TYPE, &box.count, &size), 0);
  if (box.count != SOCK_DGRAM || check(box.text, SOCK_DGRAM) < 0) target_error("an option did not arrive");
}

static void by_ioctl(void) {
  char text[32];
  size_t length = next_text(text, sizeof text);
  done("write", write(pipe_ends[1], text, length), (long)length);
  box.count = 0;
  done("ioctl", ioctl(pipe_ends[0], FIONREAD, &box.count), 0);
  if (box.count != length || check(box.text, (unsigned)length) < 0) target_error("a count did not arrive");
  done("read", read(pipe_ends[0], text, length), (long)length);
}

static void by_stat(void) {
  box.file.st_size = -1;
  done("stat", stat("/proc/self/exe", &box.file), 0);
  if (box.file.st_size <= 0) target_error("a stat did not arrive");
}

static void by_pipe(void) {
  box.pair[0] = box.pair[1] = -1;
  done("pipe", pipe(box.pair), 0);
  done("close", close(box.pair[0]) + close(box.pair[1]), 0);
}

/** The C library's own ways to the kernel. */
static void by_random(void) {
  char text[16];
  box.text[sizeof text - 1] = 0;
  done("getrandom", getrandom(box.text, sizeof text - 1, 0), sizeof text - 1);
  memcpy(text, box.text, sizeof text);
  expect("getrandom", text);
  done("getentropy", getentropy(box.text, sizeof text - 1), 0);
  memcpy(text, box.text, sizeof text);
  expect("getentropy", text);
#if __GLIBC_PREREQ(2, 36)
  arc4random_buf(box.text, sizeof text - 1);
  memcpy(text, box.text, sizeof text);
  expect("arc4random_buf", text);
#endif
}

static void in_child(void) {
  char text[32];
  next_text(text, sizeof text);
  strcpy(box.text, text);
  pid_t child = fork();
  if (child == 0) {
    strcpy(box.text, "child");
    _exit(check("child", box.count) > 0 && strcmp(box.text, "child") == 0 ? 0 : 1);
  }
  int status = -1;
  done("waitpid", waitpid(child, (int *)&box.count, 0), child);
  status = (int)box.count;
  if (status != 0) target_error("the child found something else: %x", (unsigned)status);
  expect("what the parent had before its child", text);
}

static void *write_blocked(void *text) {
  sigset_t all, now;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
  pthread_sigmask(SIG_BLOCK, NULL, &now);
  if (!sigismember(&now, SIGUSR1)) target_error("nothing is blocked");
  strcpy(box.text, text);
  return NULL;
}

static void while_blocked(void) {
  char text[32];
  next_text(text, sizeof text);
  pthread_t thread;
  done("pthread_create", pthread_create(&thread, NULL, write_blocked, text), 0);
  pthread_join(thread, NULL);
  expect("what a thread without signals wrote", text);
}

/* Nothing that the runtime cares about. */
static void by_masks(void) {
  sigset_t set, before, now;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  done("pthread_sigmask", pthread_sigmask(SIG_BLOCK, &set, &before), 0);
  done("pthread_sigmask", pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
  if (sigismember(&before, SIGUSR2) || !sigismember(&now, SIGUSR2)) target_error("the signal is not blocked");
  done("pthread_sigmask", pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
  done("pthread_sigmask", pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
  if (sigismember(&now, SIGUSR2)) target_error("the signal is still blocked");
}

static void expect_machine(const char *name) {
  struct utsname names;
  done("uname", uname(&names), 0);
  if (strcmp(names.sysname, name) != 0) target_error("uname says %s", names.sysname);
}

static void on_linux(void) { expect_machine("Linux"); }
static void elsewhere(void) { expect_machine("elsewhere"); }

static sigjmp_buf back;
static char handler_text[32];

static void on_segment(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  if (info->si_addr != (void *)16) target_error("a fault that is none of the program's: %p", info->si_addr);
  strcpy(box.text, handler_text);
  siglongjmp(back, 1);
}

static void in_handler(void) {
  struct sigaction own = {.sa_sigaction = on_segment, .sa_flags = SA_SIGINFO}, before, found;
  sigfillset(&own.sa_mask);
  next_text(handler_text, sizeof handler_text);
  done("sigaction", sigaction(SIGSEGV, &own, &before), 0);
  done("sigaction", sigaction(SIGSEGV, NULL, &found), 0);
  if (found.sa_sigaction != on_segment) target_error("the program's handler is not what it says");
  volatile int *volatile wild = (volatile int *)16;
  if (sigsetjmp(back, 1) == 0) *wild = 1;
  expect("what the program's handler wrote", handler_text);
  strcpy(box.text, "after");
  expect("what was written after its own fault", "after");
  done("sigaction", sigaction(SIGSEGV, &before, NULL), 0);
}

static void by_mprotect(void) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *start = (char *)((size_t)&box & ~(page - 1));
  size_t size = (((size_t)(&box + 1) + page - 1) & ~(page - 1)) - (size_t)start;
  done("mprotect", mprotect(start, size, PROT_READ | PROT_WRITE), 0);
  char text[32];
  next_text(text, sizeof text);
  strcpy(box.text, text);
  expect("what was written to memory that the program has opened", text);
}

static volatile sig_atomic_t handled;

static void on_own_stack(int number) {
  (void)number;
  strcpy(box.text, handler_text);
  handled = 1;
}

static void on_altstack(void) {
  static char memory[16384];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory}, before;
  struct sigaction own = {.sa_handler = on_own_stack, .sa_flags = SA_ONSTACK};
  next_text(handler_text, sizeof handler_text);
  handled = 0;
  done("sigaltstack", sigaltstack(&stack, &before), 0);
  sigaction(SIGUSR2, &own, NULL);
  done("raise", raise(SIGUSR2), 0);
  done("sigaltstack", sigaltstack(&before, NULL), 0);
  if (!handled) target_error("the handler did not run");
  expect("what a handler wrote on its own stack", handler_text);
}

static void in_vfork(void) {
  char text[32];
  next_text(text, sizeof text);
  pid_t child = vfork();
  if (child == 0) {
    memcpy(box.text, text, sizeof text);
    _exit(0);
  }
  int status = -1;
  done("waitpid", waitpid(child, &status, 0), child);
  if (status != 0) target_error("the child ended with %x", (unsigned)status);
  expect("what a child wrote that shares the memory", text);
}

static void when_closed(void) {
  done("close_range", close_range(3, ~0u, 0), 0);
  char text[32];
  next_text(text, sizeof text);
  strcpy(box.text, text);
  expect("what was written without a descriptor", text);
}

static atomic_int framed; /* 1: in its handler, 2: told to leave it */
static pthread_t framed_thread;
static char framed_text[32];

static void on_user(int number) {
  (void)number;
  atomic_store(&framed, 1);
  while (atomic_load(&framed) != 2) target_sleep_us(300);
}

static void *be_framed(void *argument) {
  (void)argument;
  sigset_t all;
  sigfillset(&all);
  sigdelset(&all, SIGUSR1);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
  pthread_kill(pthread_self(), SIGUSR1);
  strcpy(box.text, framed_text);
  return NULL;
}

static void start_framed(void) {
  struct sigaction own = {.sa_handler = on_user};
  sigfillset(&own.sa_mask);
  sigaction(SIGUSR1, &own, NULL);
  done("pthread_create", pthread_create(&framed_thread, NULL, be_framed, NULL), 0);
  while (atomic_load(&framed) != 1) target_sleep_us(100);
}

static void end_framed(void) {
  next_text(framed_text, sizeof framed_text);
  atomic_store(&framed, 2);
  pthread_join(framed_thread, NULL);
  atomic_store(&framed, 0);
  expect("what a thread wrote that had been in a handler", framed_text);
}

static struct tile *tiles;

/* For scripts. */
void tiles_each(void (*visit)(void *object, void *context), void *context) {
  for (unsigned i = 0; i < TILES; i++) visit(&tiles[i], context);
}

static void lay_tiles(void) {
  void *at = mmap(tiles, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (tiles == NULL ? 0 : MAP_FIXED), -1, 0);
  if (at == MAP_FAILED) abort();
  tiles = at;
  for (unsigned i = 0; i < TILES; i++) tiles[i] = (struct tile){i, 3 * i};
}

static void check_tiles(const char *what) {
  for (unsigned i = 0; i < TILES; i++) {
    if (tiles[i].number != i || tiles[i].colour != 3 * i) target_error("tile %u is wrong after %s", i, what);
  }
}

static void by_munmap(void) {
  check_tiles("nothing");
  done("munmap", munmap(tiles, 4096), 0);
  lay_tiles();
  check_tiles("munmap");
}

static void by_mremap(void) {
  struct tile *before = tiles, *place = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (unsigned i = 0; i < TILES; i++) tiles[i].colour = 0;
  tiles = mremap(before, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, place);
  if (tiles == MAP_FAILED) target_error("mremap failed: %d", errno);
  for (unsigned i = 0; i < TILES; i++) tiles[i].colour = 3 * i;
  check_tiles("mremap");
}

static void by_poll(void) {
  struct pollfd *one = (struct pollfd *)(void *)box.text;
  *one = (struct pollfd){.fd = pipe_ends[1], .events = POLLOUT};
  done("poll", poll(one, 1, 1000), 1);
  if ((one->revents & POLLOUT) == 0) target_error("an event did not arrive");
}

static void *inside(void *argument) {
  (void)argument;
  if (hold(true) != 1) target_error("the frame that was inside returned something else");
  return NULL;
}

/* With --waits=CALL a thread waits in that call for what `wake` writes, and the kernel writes its answer to the box. */
static int wake_ends[2], event_queue, listener;
static atomic_ulong wakes;

static int wait_in_poll(const char *call) {
  struct pollfd *one = (struct pollfd *)(void *)box.text;
  if (strcmp(call, "select") == 0) {
    fd_set *set = (fd_set *)(void *)&box;
    FD_ZERO(set);
    FD_SET(wake_ends[0], set);
    int result = select(wake_ends[0] + 1, set, NULL, NULL, NULL);
    return result > 0 && !FD_ISSET(wake_ends[0], set) ? 0 : result;
  }
  if (strcmp(call, "epoll_wait") == 0) {
    struct epoll_event *event = (struct epoll_event *)(void *)box.text;
    event->data.fd = -1;
    int result = epoll_wait(event_queue, event, 1, -1);
    return result > 0 && event->data.fd != wake_ends[0] ? 0 : result;
  }
  *one = (struct pollfd){.fd = wake_ends[0], .events = POLLIN};
  int result = strcmp(call, "poll") == 0 ? poll(one, 1, -1) : ppoll(one, 1, NULL, NULL);
  return result > 0 && (one->revents & POLLIN) == 0 ? 0 : result;
}

static void poll_and_read(const char *call) {
  char byte;
  done(call, wait_in_poll(call), 1);
  done("read", read(wake_ends[0], &byte, 1), 1);
}

static atomic_ulong interrupted, signalled;

/* With --yard what is read comes to memory in whose page there are no objects before `lay`. */
static char *yard, *text_at = box.text;
static unsigned laid;

TARGET_UPDATED struct tile *tile_create(void) {
  struct tile *tile = (struct tile *)(void *)(yard + 2048) + laid++;
  tile->number = laid;
  tile->colour = 5 * laid;
  return tile;
}

static void lay(void) {
  struct tile *tile = tile_create();
  tile->colour = 7;
  if (tile->number != laid || tile->colour != 7) target_error("a tile that was laid is wrong");
}

static long read_text(const char *call) {
  struct iovec part = {text_at, sizeof box.text};
  struct msghdr text = {.msg_iov = &part, .msg_iovlen = 1};
  if (strcmp(call, "read") == 0) return read(wake_ends[0], text_at, sizeof box.text);
  if (strcmp(call, "readv") == 0) return readv(wake_ends[0], &part, 1);
  if (strcmp(call, "recv") == 0) return recv(wake_ends[0], text_at, sizeof box.text, 0);
  return recvmsg(wake_ends[0], &text, 0);
}

static void wait_for_text(const char *call) {
  long result;
  while ((result = read_text(call)) < 0 && errno == EINTR) atomic_fetch_add(&interrupted, 1);
  done(call, result, 1);
  if (text_at == box.text) expect(call, "w");
  else if (strcmp(text_at, "w") != 0) target_error("what was read did not arrive");
}

static void wait_for_peer(const char *call) {
  socklen_t *size = &box.count;
  *size = sizeof box.text;
  struct sockaddr *address = (struct sockaddr *)(void *)box.text;
  int peer = strcmp(call, "accept") == 0 ? accept(listener, address, size) : accept4(listener, address, size, 0);
  char byte;
  done(call, peer >= 0, 1);
  done("the size of an address", box.count, 8);
  expect(call, "\1"); /* AF_UNIX */
  done("read", read(peer, &byte, 1), 1);
  close(peer);
}

static void wait_for_child(const char *call) {
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(wake_ends[1]); /* so that it does not outlive its parent */
    _exit(read(wake_ends[0], &byte, 1) == 1 ? 7 : 8);
  }
  if (strcmp(call, "waitid") == 0) {
    done(call, waitid(P_PID, (id_t)child, (siginfo_t *)(void *)box.text, WEXITED), 0);
    expect(call, "\x11"); /* SIGCHLD */
  } else {
    done(call, waitpid(child, (int *)&box.count, 0), child);
    done("its status", box.count, 7 << 8);
    if (check(box.text, 7 << 8) < 0) target_error("its status did not come to the active version");
  }
}

static atomic_ulong cancelled;

static void on_cancel(void *argument) {
  (void)argument;
  atomic_fetch_add(&cancelled, 1);
}

static void wait_always(const char *call) {
  static const struct {
    const char *call;
    void (*wait)(const char *call);
  } kinds[] = {
      {"read", wait_for_text},   {"readv", wait_for_text},   {"recv", wait_for_text},     {"recvmsg", wait_for_text},
      {"accept", wait_for_peer}, {"accept4", wait_for_peer}, {"waitpid", wait_for_child}, {"waitid", wait_for_child},
  };
  void (*wait_once)(const char *) = poll_and_read;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(call, kinds[i].call) == 0) wait_once = kinds[i].wait;
  }
  while (target_running()) {
    if (wait_once == wait_for_text) memset(text_at, 0, sizeof box.text);
    wait_once(call);
    atomic_fetch_add(&wakes, 1);
  }
}

static void *waiter(void *call) {
  pthread_cleanup_push(on_cancel, NULL);
  wait_always(call);
  pthread_cleanup_pop(0);
  return NULL;
}

static pthread_t waiting;

static void start_waiter(const char *call) {
  struct epoll_event event = {.events = EPOLLIN};
  int ends = strncmp(call, "recv", 4) == 0 ? socketpair(AF_UNIX, SOCK_STREAM, 0, wake_ends) : pipe(wake_ends);
  if (ends != 0 || (event_queue = epoll_create1(0)) < 0) abort();
  event.data.fd = wake_ends[0];
  if (epoll_ctl(event_queue, EPOLL_CTL_ADD, wake_ends[0], &event) != 0) abort();
  if (strncmp(call, "accept", 6) == 0) {
    /* An address of the kernel's choice (unix(7), autobind). */
    sa_family_t family = AF_UNIX;
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)(void *)&family, sizeof family) != 0 || listen(listener, 1) != 0) abort();
  }
  /* Nobody waits for its end: it may come with the program's. */
  if (pthread_create(&waiting, NULL, waiter, (void *)(uintptr_t)call) != 0) abort();
  pthread_detach(waiting);
}

static void on_signal(int number) {
  (void)number;
  atomic_fetch_add(&signalled, 1);
}

static void wait_beyond(const char *what, atomic_ulong *count, unsigned long before) {
  for (int i = 0; atomic_load(count) == before; i++) {
    if (i == 10000) {
      target_error("%s", what);
      return;
    }
    target_sleep_us(1000);
  }
}

static void send_signal(int flags, bool interrupts) {
  struct sigaction own = {.sa_handler = on_signal, .sa_flags = flags};
  unsigned long signals = atomic_load(&signalled), calls = atomic_load(&interrupted);
  sigaction(SIGUSR1, &own, NULL);
  pthread_kill(waiting, SIGUSR1);
  wait_beyond("no signal came", &signalled, signals);
  if (interrupts) wait_beyond("the call was not interrupted", &interrupted, calls);
  target_sleep_us(20000);
  if (atomic_load(&interrupted) - calls != interrupts) target_error("the signal interrupted %lu calls", atomic_load(&interrupted) - calls);
}

static void cancel(void) {
  pthread_cancel(waiting);
  wait_beyond("the thread was not cancelled", &cancelled, 0);
  strcpy(box.text, "after");
  expect("what was written after a thread was cancelled", "after");
}

static void restart(void) { send_signal(SA_RESTART, false); }
static void interrupt(void) { send_signal(0, true); }

/** Where what wakes the thread is written to: a connection that is made for it, or what it has been reading all along. */
static int connected(void) {
  if (listener == 0) return wake_ends[1];
  struct sockaddr_storage address;
  sa_family_t family = AF_UNIX;
  socklen_t size = sizeof address;
  int end = socket(AF_UNIX, SOCK_STREAM, 0);
  if (getsockname(listener, (struct sockaddr *)&address, &size) != 0 ||
      bind(end, (struct sockaddr *)(void *)&family, sizeof family) != 0 ||
      connect(end, (struct sockaddr *)&address, size) != 0) {
    abort();
  }
  return end;
}

static void wake(void) {
  unsigned long before = atomic_load(&wakes);
  int end = connected();
  if (write(end, "w", 1) != 1) abort();
  if (listener != 0) close(end);
  wait_beyond("the thread did not wake up", &wakes, before);
  target_sleep_us(20000); /* it waits again */
}

static void leaving(void) { atomic_store(&leave, true); }

static const struct {
  const char *name;
  void (*run)(void);
} commands[] = {
    {"read", by_read},         {"recv", by_recv},       {"readv", by_readv},   {"recvmsg", by_recvmsg},
    {"sockopt", by_sockopt},   {"ioctl", by_ioctl},     {"stat", by_stat},     {"pipe", by_pipe},
    {"random", by_random},     {"poll", by_poll},       {"fork", in_child},    {"blocked", while_blocked},
    {"handler", in_handler},   {"mprotect", by_mprotect}, {"munmap", by_munmap},     {"mremap", by_mremap},   {"altstack", on_altstack}, {"vfork", in_vfork},     {"closed", when_closed},
    {"framed", start_framed}, {"unframe", end_framed}, {"leave", leaving},       {"wake", wake},
    {"restart", restart},     {"interrupt", interrupt}, {"cancel", cancel},       {"lay", lay},
    {"masks", by_masks},      {"on_linux", on_linux},   {"elsewhere", elsewhere},
};

static bool command(const char *line, char *reply, size_t size) {
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    if (strcmp(line, commands[i].name) != 0) continue;
    commands[i].run();
    snprintf(reply, size, "\"done\":true");
    return true;
  }
  return false;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  if (pipe(pipe_ends) != 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets) != 0) abort();
  unsigned long context = 0;
  if (target_option("aio") != NULL && syscall(SYS_io_setup, 8, &context) != 0) abort();
  yard = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (yard == MAP_FAILED) abort();
  if (target_option("yard") != NULL) text_at = yard;
  if (target_option("waits") != NULL) start_waiter(target_option("waits"));
  lay_tiles();
  target_on_command(command);
  target_thread(inside, NULL);
  while (!atomic_load(&staying)) target_sleep_us(100);
  return target_serve();
}
