/* The main thread has ended, and with it the process's entry looks dead; its threads live on. */
#include "target.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

TARGET_PROBE(answer_probe, "answer")

TARGET_UPDATED long answer(long question) { return question * 3 + 1; }

static void *caller(void *argument) {
  (void)argument;
  for (long turn = 1; target_running(); turn++) {
    unsigned epoch = target_epoch();
    target_expect(&answer_probe, epoch, answer(turn), turn * 3 + 1, turn * 5 + 2, turn * 7 + 3);
    if (turn % 64 == 0) target_sleep_us(300);
  }
  return NULL;
}

static void *server(void *argument) {
  pthread_join(*(pthread_t *)argument, NULL);
  exit(target_serve());
}

int main(int argc, char **argv) {
  static pthread_t leader, thread;
  target_begin(argc, argv);
  leader = pthread_self();
  for (int i = 0; i < 2; i++) target_thread(caller, NULL);
  if (pthread_create(&thread, NULL, server, &leader) != 0) abort();
  pthread_exit(NULL);
}
