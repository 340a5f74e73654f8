/*
 * Texts in arrays, each with a neighbour that a text without an end runs into.
 *
 *   fill NAME     fills users[2], banner, path or heap to its last byte: the fault
 *   busy 0|1      a thread keeps writing texts of all lengths into users[3]
 *   look          lengths as strlen has them
 */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAP_SIZE = 24 };

struct user {
  char name[16];
  char secret[8];
  int uses;
};

struct user users[4];

struct {
  char banner[64];
  char path[32];
  char after[8];
} texts = {"welcome", "/run/server", "after"};

char *heap;
static atomic_bool busy;

/* As a program that knows nothing of the array's size. */
static long length(const char *volatile text) { return (long)strlen(text); }

static void *writer(void *argument) {
  for (unsigned turn = 0; target_running(); turn++) {
    if (atomic_load(&busy)) {
      char name[sizeof users[3].name];
      size_t size = turn % (sizeof name);
      memset(name, 'a' + turn % 26, size);
      name[size] = 0;
      memcpy(users[3].name, name, size + 1);
    } else {
      target_sleep_us(100);
    }
  }
  return argument;
}

static bool command(const char *line, char *reply, size_t size) {
  int number;
  if (sscanf(line, "busy %d", &number) == 1) atomic_store(&busy, number != 0);
  else if (strcmp(line, "fill users") == 0) memset(users[2].name, 'u', sizeof users[2].name);
  else if (strcmp(line, "fill banner") == 0) memset(texts.banner, 'b', sizeof texts.banner);
  else if (strcmp(line, "fill path") == 0) memset(texts.path, 'p', sizeof texts.path);
  else if (strcmp(line, "fill heap") == 0) memset(heap, 'h', HEAP_SIZE);
  else if (strcmp(line, "look") != 0) return false;
  snprintf(reply, size, "\"user\":%ld,\"banner\":%ld,\"path\":%ld,\"heap\":%ld",
           length(users[2].name), length(texts.banner), length(texts.path), length(heap));
  return true;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  /* Its neighbour ends every text that runs on. */
  heap = calloc(1, HEAP_SIZE + 8);
  if (!heap) return 2;
  strcpy(heap, "on the heap");
  strcpy(heap + HEAP_SIZE, "behind");
  for (int i = 0; i < 4; i++) {
    snprintf(users[i].name, sizeof users[i].name, "user%d", i);
    strcpy(users[i].secret, "secret");
  }
  target_on_command(command);
  target_thread(writer, NULL);
  return target_serve();
}
