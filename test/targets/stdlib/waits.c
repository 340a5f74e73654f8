/*
 * Workers that handle requests, in a process whose threads come and go.
 *
 *   load 0|1    whether there are requests; without, those in progress end by themselves
 *   stick 0|1   whether one worker stays inside of its request: the fault
 *   forget N    the counter of requests is N too high from now on: the fault
 *   look
 */
#include "target.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

atomic_int in_progress;
static atomic_bool load = true, stick;
static atomic_long handled;

TARGET_UPDATED long handle_request(long turn) {
  target_sleep_us(3000);
  while (atomic_load(&stick) && target_running()) target_sleep_us(1000);
  return turn + 1;
}

static void *worker(void *argument) {
  long turn = 0;
  while (target_running()) {
    if (!atomic_load(&load)) {
      target_sleep_us(1000);
      continue;
    }
    atomic_fetch_add(&in_progress, 1);
    turn = handle_request(turn);
    atomic_fetch_add(&handled, 1);
    atomic_fetch_sub(&in_progress, 1);
    target_sleep_us(200);
  }
  return argument;
}

static void *short_lived(void *argument) {
  target_sleep_us(300);
  return argument;
}

static void *starter(void *argument) {
  while (target_running()) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, short_lived, NULL) == 0) pthread_join(thread, NULL);
    target_sleep_us(300);
  }
  return argument;
}

static bool command(const char *line, char *reply, size_t size) {
  int number;
  if (sscanf(line, "load %d", &number) == 1) atomic_store(&load, number != 0);
  else if (sscanf(line, "stick %d", &number) == 1) atomic_store(&stick, number != 0);
  else if (sscanf(line, "forget %d", &number) == 1) atomic_fetch_add(&in_progress, number);
  else if (strcmp(line, "look") != 0) return false;
  snprintf(reply, size, "\"inProgress\":%d,\"handled\":%ld", atomic_load(&in_progress),
           atomic_load(&handled));
  return true;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  target_on_command(command);
  for (int i = 0; i < 3; i++) target_thread(worker, NULL);
  target_thread(starter, NULL);
  return target_serve();
}
