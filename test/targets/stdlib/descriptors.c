/*
 * A server with a log file, whose requests open a file each. --log=PATH names the log.
 *
 *   leak N      opens the log N times more and forgets about it
 *   losing 0|1  requests, which come all the time, now and then forget to close a file
 *   look        counts what is really open, and whether the log can be written
 */
#include "target.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_LOST = 800 };

int log_fd;
static const char *log_path;
static atomic_bool losing;

static void *requests(void *argument) {
  int lost = 0;
  for (unsigned turn = 0; target_running(); turn++) {
    int files[4];
    /* Some requests need more at once than others. */
    unsigned count = 1 + turn % 4;
    for (unsigned i = 0; i < count; i++) files[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    target_sleep_us(5000);
    for (unsigned i = 0; i < count; i++) {
      if (files[i] < 0) target_error("a request could not open its file");
      else if (atomic_load(&losing) && turn % 4 == 0 && i == 0 && lost < MOST_LOST) lost++;
      else close(files[i]);
    }
  }
  return argument;
}

static int count_open(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/fd");
  if (!folder) return -1;
  while (readdir(folder)) count++;
  closedir(folder);
  return count;
}

static bool command(const char *line, char *reply, size_t size) {
  int number;
  if (sscanf(line, "leak %d", &number) == 1) {
    while (number-- > 0) {
      if (open(log_path, O_WRONLY | O_APPEND | O_CLOEXEC) < 0) break;
    }
  } else if (sscanf(line, "losing %d", &number) == 1) {
    atomic_store(&losing, number != 0);
  } else if (strcmp(line, "look") != 0) {
    return false;
  }
  snprintf(reply, size, "\"open\":%d,\"writes\":%s", count_open(),
           write(log_fd, "line\n", 5) == 5 ? "true" : "false");
  return true;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  log_path = target_option("log");
  if (!log_path) return 2;
  log_fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (log_fd < 0) return 2;
  target_on_command(command);
  target_thread(requests, NULL);
  return target_serve();
}
