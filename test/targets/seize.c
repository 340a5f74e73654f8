#include "seize.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

void seize_require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(2);
}

static bool known(const struct seized *seized, pid_t thread) {
  for (int i = 0; i < seized->count; i++) {
    if (seized->threads[i] == thread) return true;
  }
  return false;
}

/* One pass over the thread list; returns how many were new. */
static int seize_new(struct seized *seized) {
  char path[64];
  int found = 0;
  snprintf(path, sizeof path, "/proc/%d/task", (int)seized->pid);
  DIR *folder = opendir(path);
  seize_require(folder != NULL, path);
  for (struct dirent *entry; (entry = readdir(folder));) {
    pid_t thread = atoi(entry->d_name);
    if (thread <= 0 || known(seized, thread)) continue;
    seize_require(seized->count < SEIZE_MOST_THREADS, "too many threads");
    if (ptrace(PTRACE_SEIZE, thread, 0, 0) != 0) {
      seize_require(errno == ESRCH, "PTRACE_SEIZE");
      continue;
    }
    seized->threads[seized->count++] = thread;
    found++;
  }
  closedir(folder);
  return found;
}

void seize_all(struct seized *seized, pid_t pid) {
  seized->pid = pid;
  seized->count = 0;
  while (seize_new(seized) > 0) {
  }
}

void seize_stop(struct seized *seized) {
  int left = 0;
  for (int i = 0; i < seized->count; i++) {
    if (ptrace(PTRACE_INTERRUPT, seized->threads[i], 0, 0) == 0) {
      seized->threads[left++] = seized->threads[i];
    }
  }
  seized->count = left;
  left = 0;
  for (int i = 0; i < seized->count; i++) {
    int status;
    pid_t thread = seized->threads[i];
    if (waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status)) continue;
    seized->threads[left++] = thread;
  }
  seized->count = left;
}

void seize_release(struct seized *seized) {
  for (int i = 0; i < seized->count; i++) ptrace(PTRACE_DETACH, seized->threads[i], 0, 0);
  seized->count = 0;
}

int seize_memory(pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
  int memory = open(path, O_RDWR | O_CLOEXEC);
  seize_require(memory >= 0, path);
  return memory;
}
