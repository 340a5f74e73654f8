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

static void by_readv(void) {
  char text[32], head[2];
  size_t length = next_text(text, sizeof text);
  done("write", write(pipe_ends[1], "ab", 2) + write(pipe_ends[1], text, length), (long)length + 2);
  struct iovec parts[] = {{head, 2}, {box.text, sizeof box.text}};
  done("readv", readv(pipe_ends[0], parts, 2), (long)length + 2);
  if (memcmp(head, "ab", 2) != 0) target_error("the first part is wrong");
  expect("what was read in parts", text);
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
static int wake_ends[2], event_queue;
static atomic_ulong wakes;

static int wait_in(const char *call) {
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

static void *waiter(void *call) {
  while (target_running()) {
    int result = wait_in(call);
    char byte;
    if (result < 0 && errno == EINTR) continue;
    if (result != 1) target_error(result < 0 ? strerror(errno) : "what the kernel said did not arrive");
    if (result < 0 || read(wake_ends[0], &byte, 1) != 1) return NULL;
    atomic_fetch_add(&wakes, 1);
  }
  return NULL;
}

static void start_waiter(const char *call) {
  struct epoll_event event = {.events = EPOLLIN};
  if (pipe(wake_ends) != 0 || (event_queue = epoll_create1(0)) < 0) abort();
  event.data.fd = wake_ends[0];
  if (epoll_ctl(event_queue, EPOLL_CTL_ADD, wake_ends[0], &event) != 0) abort();
  /* Nobody waits for its end: it may come with the program's. */
  pthread_t thread;
  if (pthread_create(&thread, NULL, waiter, (void *)(uintptr_t)call) != 0) abort();
  pthread_detach(thread);
}

static void wake(void) {
  unsigned long before = atomic_load(&wakes);
  if (write(wake_ends[1], "w", 1) != 1) abort();
  for (int i = 0; atomic_load(&wakes) == before; i++) {
    if (i == 10000) {
      target_error("the thread did not wake up");
      return;
    }
    target_sleep_us(1000);
  }
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
  if (target_option("waits") != NULL) start_waiter(target_option("waits"));
  lay_tiles();
  target_on_command(command);
  target_thread(inside, NULL);
  while (!atomic_load(&staying)) target_sleep_us(100);
  return target_serve();
}
