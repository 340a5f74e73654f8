/*
 * Threads under the strictest filter there is, SECCOMP_MODE_STRICT: read,
 * write, exit and rt_sigreturn, death for everything else. Others are free.
 */
#include "target.h"

#include <linux/seccomp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

TARGET_PROBE(strict_probe, "strict")
TARGET_PROBE(free_probe, "free")

static int requests[2], replies[2];
static atomic_int strict_running;

TARGET_UPDATED long answer(long question) { return question * 3 + 1; }

static void ask(const struct target_probe *probe, long turn) {
  unsigned epoch = target_epoch();
  target_expect(probe, epoch, answer(turn), turn * 3 + 1, turn * 5 + 2, turn * 7 + 3);
}

/* Serves a request at a time, with nothing but read and write; never returns. */
static void *strict(void *argument) {
  (void)argument;
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) abort();
  atomic_fetch_add(&strict_running, 1);
  for (long turn = 1;; turn++) {
    char byte;
    if (read(requests[0], &byte, 1) != 1) break;
    for (int i = 0; i < 100; i++) ask(&strict_probe, turn + i);
    if (write(replies[1], &byte, 1) != 1) target_error("reply failed");
  }
  atomic_fetch_sub(&strict_running, 1);
  for (;;) syscall(SYS_exit, 0);
}

static void *client(void *argument) {
  (void)argument;
  for (long turn = 1; target_running(); turn++) {
    char byte = (char)turn, reply = 0;
    if (write(requests[1], &byte, 1) != 1 || read(replies[0], &reply, 1) != 1) {
      target_error("request failed");
    } else if (byte != reply) {
      target_error("a reply differs from its request");
    }
    ask(&free_probe, turn);
    target_sleep_us(1000);
  }
  close(requests[1]);
  return NULL;
}

/* The strict threads end without pthread's help, so nobody may join them. */
static void start_strict(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, strict, NULL) != 0) abort();
  pthread_detach(thread);
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  if (pipe(requests) != 0 || pipe(replies) != 0) abort();
  for (int i = 0; i < 3; i++) start_strict();
  while (atomic_load(&strict_running) < 3) target_sleep_us(100);
  target_thread(client, NULL);
  int status = target_serve();
  while (atomic_load(&strict_running) > 0) target_sleep_us(100);
  return status;
}
