/* A process with something of everything: named threads, a child, open files of every kind. */
#include "target.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;
static volatile unsigned long turns;

static void *busy(void *unused) {
  (void)unused;
  /* A name that looks like the rest of a line of /proc. */
  pthread_setname_np(pthread_self(), "busy) R 1 (");
  while (target_running()) turns++;
  return NULL;
}

static void *asleep(void *unused) {
  (void)unused;
  pthread_setname_np(pthread_self(), "asleep");
  while (target_running()) target_sleep_us(50000);
  return NULL;
}

static void put_at(int number, int fd) {
  if (fd < 0 || dup2(fd, number) != number) target_error("descriptor %d cannot be had", number);
  close(fd);
}

static void open_files(void) {
  char path[] = "/tmp/polus-test-XXXXXX";
  if (mkdtemp(path) == NULL) target_error("no folder");
  int folder = open(path, O_RDONLY | O_DIRECTORY);
  const char *name = "hostile\n\x1b[31m name";
  int file = openat(folder, name, O_RDWR | O_CREAT, 0600);
  if (file < 0 || write(file, "polus", 5) != 5) target_error("no file");
  unlinkat(folder, name, 0);
  rmdir(path);
  put_at(100, file);
  put_at(101, folder);
  put_at(102, socket(AF_UNIX, SOCK_STREAM, 0));
  int ends[2];
  if (pipe(ends) != 0) target_error("no pipe");
  put_at(103, ends[0]);
  close(ends[1]);
  put_at(104, open("/dev/null", O_WRONLY));
  put_at(105, epoll_create1(0));
}

static void end_child(void) {
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  if (mmap(NULL, 65 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) {
    target_error("no memory");
  }
  pid_t self = getpid();
  child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != self) _exit(0);
    for (;;) pause();
  }
  open_files();
  target_on_quit(end_child);
  target_thread(busy, NULL);
  target_thread(asleep, NULL);
  return target_serve();
}
