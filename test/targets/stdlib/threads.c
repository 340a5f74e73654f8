/*
 * Workers that handle requests; some get stuck in one, waiting or spinning.
 *
 *   wait 0|1    whether one worker waits inside of its request for ever: the fault
 *   spin 0|1    whether one worker spins inside of its request for ever: the fault
 *   look
 */
#include "target.h"

#include <stdio.h>
#include <string.h>

volatile int cancelled;
static atomic_int waits, spins;
static atomic_long handled;

__attribute__((noinline)) static long deeper(long turn) {
  for (volatile int i = 0; i < 500; i++) turn++;
  return turn;
}

TARGET_UPDATED long handle_request(long turn) {
  target_sleep_us(2000);
  if (turn % 2 == 0) {
    while (atomic_load(&waits) && !cancelled && target_running()) target_sleep_us(500);
  } else {
    while (atomic_load(&spins) && !cancelled && target_running()) turn = deeper(turn) | 1;
  }
  return turn;
}

static void *worker(void *argument) {
  while (target_running()) {
    handle_request((long)argument);
    atomic_fetch_add(&handled, 1);
    target_sleep_us(1000);
  }
  return argument;
}

static bool command(const char *line, char *reply, size_t size) {
  int number;
  if (sscanf(line, "wait %d", &number) == 1) atomic_store(&waits, number);
  else if (sscanf(line, "spin %d", &number) == 1) atomic_store(&spins, number);
  else if (strcmp(line, "look") != 0) return false;
  snprintf(reply, size, "\"handled\":%ld,\"cancelled\":%d", atomic_load(&handled), cancelled);
  return true;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  target_on_command(command);
  target_thread(worker, (void *)0);
  target_thread(worker, (void *)1);
  return target_serve();
}
