/*
 * A server that counts: its children, the slots that they take, and its credits.
 *
 *   spawn N     starts children, each with a slot
 *   reap N      ends children and forgets them as it should
 *   lose N      ends children and forgets to count them down: the fault
 *   credits N   sets the number of credits, which is sane from 0 to 100
 *   look        tells all, and whether another child would be accepted
 */
#include "target.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_CHILDREN = 8 };

struct slot {
  int owner;
  long requests;
};

static int num_children;
static long credits = 50;
static struct slot slots[MOST_CHILDREN];
/* What really lives, as no server knows it. */
static int living[MOST_CHILDREN];

static bool spawn_child(void) {
  if (num_children >= MOST_CHILDREN) return false;
  for (int i = 0; i < MOST_CHILDREN; i++) {
    if (slots[i].owner != 0) continue;
    pid_t pid = fork();
    if (pid < 0) return false;
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) pause();
    }
    slots[i] = (struct slot){.owner = pid, .requests = 1};
    living[i] = pid;
    num_children++;
    return true;
  }
  return false;
}

static void end_child(bool counted) {
  for (int i = 0; i < MOST_CHILDREN; i++) {
    if (living[i] == 0) continue;
    kill(living[i], SIGKILL);
    waitpid(living[i], NULL, 0);
    living[i] = 0;
    if (!counted) return;
    slots[i].owner = 0;
    num_children--;
    return;
  }
}

static int count_living(void) {
  int count = 0;
  for (int i = 0; i < MOST_CHILDREN; i++) count += living[i] != 0;
  return count;
}

static int count_taken(void) {
  int count = 0;
  for (int i = 0; i < MOST_CHILDREN; i++) count += slots[i].owner != 0;
  return count;
}

static bool command(const char *line, char *reply, size_t size) {
  long number;
  if (sscanf(line, "spawn %ld", &number) == 1) {
    while (number-- > 0 && spawn_child()) {
    }
  } else if (sscanf(line, "reap %ld", &number) == 1) {
    while (number-- > 0) end_child(true);
  } else if (sscanf(line, "lose %ld", &number) == 1) {
    while (number-- > 0) end_child(false);
  } else if (sscanf(line, "credits %ld", &number) == 1) {
    credits = number;
  } else if (strcmp(line, "look") != 0) {
    return false;
  }
  snprintf(reply, size,
           "\"children\":%d,\"living\":%d,\"taken\":%d,\"credits\":%ld,\"accepts\":%s", num_children,
           count_living(), count_taken(), credits,
           num_children < MOST_CHILDREN && count_taken() < MOST_CHILDREN ? "true" : "false");
  return true;
}

static void end_all(void) {
  while (count_living() > 0) end_child(true);
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  target_on_command(command);
  target_on_quit(end_all);
  return target_serve();
}
