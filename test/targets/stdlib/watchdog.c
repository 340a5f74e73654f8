/*
 * A server whose requests are handled by a function that tests update, well or badly.
 *
 *   queue N   sets the length of the queue
 *   look      errors and requests so far, and the version that handled the last one
 */
#include "target.h"

#include <stdio.h>
#include <string.h>

volatile int version = 1;
volatile long errors;
volatile long requests;
volatile int queue_length;

TARGET_UPDATED long handle(long request) {
  version = 1;
  return request * 2;
}

static void *server(void *argument) {
  for (long request = 1; target_running(); request++) {
    if (handle(request) != request * 2) errors++;
    requests++;
    target_sleep_us(500);
  }
  return argument;
}

static bool command(const char *line, char *reply, size_t size) {
  int number;
  if (sscanf(line, "queue %d", &number) == 1) queue_length = number;
  else if (strcmp(line, "look") != 0) return false;
  snprintf(reply, size, "\"errors\":%ld,\"requests\":%ld,\"version\":%d,\"queue\":%d", errors,
           requests, version, queue_length);
  return true;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  target_on_command(command);
  target_thread(server, NULL);
  return target_serve();
}
