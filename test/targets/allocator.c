/*
 * Threads that are inside malloc nearly always, holding the one arena's lock or
 * waiting for it, and one that is inside the dynamic loader.
 */
#include "target.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

TARGET_PROBE(answer_probe, "answer")
TARGET_COUNTER(allocations, "allocations")
TARGET_COUNTER(loads, "loads")

TARGET_UPDATED long answer(long question) { return question * 3 + 1; }

enum { BLOCKS = 64 };

/* Sizes that take the slow paths: no thread cache, splitting, joining, trimming. */
static void *allocating(void *argument) {
  unsigned long seed = (unsigned long)argument * 7919 + 1;
  unsigned char *blocks[BLOCKS] = {0};
  size_t sizes[BLOCKS] = {0};
  while (target_running()) {
    for (int i = 0; i < 2000; i++) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      int which = (int)(seed >> 33) % BLOCKS;
      unsigned char mark = (unsigned char)(which + (int)(long)argument);
      if (blocks[which]) {
        if (blocks[which][0] != mark || blocks[which][sizes[which] - 1] != mark) {
          target_error("an allocated block has changed");
        }
        free(blocks[which]);
      }
      sizes[which] = 1100 + (seed >> 40) % 60000;
      blocks[which] = malloc(sizes[which]);
      if (!blocks[which]) abort();
      blocks[which][0] = blocks[which][sizes[which] - 1] = mark;
    }
    target_count(&allocations, 2000);
    unsigned epoch = target_epoch();
    long turn = (long)(seed >> 40) + 1;
    target_expect(&answer_probe, epoch, answer(turn), turn * 3 + 1, turn * 5 + 2, turn * 7 + 3);
  }
  for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
  return NULL;
}

static void *loading(void *argument) {
  const char *library = argument;
  while (target_running()) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) target_error("dlopen: %s", dlerror());
    else if (!dlsym(handle, "plugin_work")) target_error("dlsym: %s", dlerror());
    else dlclose(handle);
    target_count(&loads, 1);
    target_sleep_us(200);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_TRIM_THRESHOLD, 64 * 1024);
  for (long i = 0; i < 3; i++) target_thread(allocating, (void *)i);
  const char *plugin = target_option("plugin");
  if (plugin) target_thread(loading, (void *)plugin);
  return target_serve();
}
