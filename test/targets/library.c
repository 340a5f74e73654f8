/*
 * Functions of shared libraries: of one that the program is linked with
 * (called through the PLT, through a pointer, and by the library itself) and
 * of one that is opened later (--plugin=PATH).
 */
#include "target.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "library_shared.h"

TARGET_PROBE(direct_probe, "direct")
TARGET_PROBE(inner_probe, "inner")
TARGET_PROBE(hidden_probe, "hidden")
TARGET_PROBE(plugin_probe, "plugin")

static long (*plugin_function)(long);

static void *caller(void *argument) {
  long (*volatile pointer)(long) = shared_work;
  (void)argument;
  for (long turn = 1; target_running(); turn++) {
    unsigned epoch = target_epoch();
    target_expect(&direct_probe, epoch, shared_work(turn), turn + 10, turn + 20, turn + 30);
    epoch = target_epoch();
    target_expect(&direct_probe, epoch, pointer(turn), turn + 10, turn + 20, turn + 30);
    epoch = target_epoch();
    target_expect(&inner_probe, epoch, shared_outer(turn), -(turn + 10), -(turn + 20),
                  -(turn + 30));
    epoch = target_epoch();
    target_expect(&hidden_probe, epoch, shared_hidden_caller(turn), turn * 2, turn * 3, turn * 4);
    if (plugin_function) {
      epoch = target_epoch();
      target_expect(&plugin_probe, epoch, plugin_function(turn), turn ^ 1, turn ^ 2, turn ^ 4);
    }
    if (turn % 64 == 0) target_sleep_us(200);
  }
  return NULL;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  const char *plugin = target_option("plugin");
  if (plugin) {
    void *handle = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
      fprintf(stderr, "%s\n", dlerror());
      exit(2);
    }
    *(void **)&plugin_function = dlsym(handle, "plugin_work");
  }
  for (long i = 0; i < target_option_number("threads", 3); i++) target_thread(caller, NULL);
  return target_serve();
}
