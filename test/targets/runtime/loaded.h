/* The runtime, loaded by dlopen into a test program of its own; the engine loads it by memory alone. */
#ifndef LOADED_H
#define LOADED_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "../../../native/runtime/polus_runtime.h"

struct runtime {
  struct polus_control *control;
  long (*start)(unsigned long);
  long (*set)(void);
  long (*item)(long, size_t, size_t, polus_transfer *, polus_transfer *);
  long (*fields)(long, size_t, size_t);
  long (*pair)(long, void *, void *);
  long (*add)(long, void *);
  long (*add_new)(long, void *);
  long (*remove)(void *);
  void (*visit)(void *, void *);
  long (*begin)(long, long);
  long (*end)(long, long);
  long (*step)(long, long);
  long (*drop)(long);
  long (*before_fork)(void);
  void (*after_fork)(long);
  long (*guards)(const void *, size_t);
  void (*store)(void *, const void *, size_t);
  long (*action)(long, const void *, void *);
  void *(*twin_of)(const void *);
  long (*site)(uint64_t, const uint8_t *, size_t, uint64_t);
  long (*gate)(long);
  struct polus_site *sites;
  void *site_entry;
};

static inline void *symbol_of(void *library, const char *name) {
  void *found = dlsym(library, name);
  if (found == NULL) {
    fprintf(stderr, "the runtime has no %s\n", name);
    exit(3);
  }
  return found;
}

/** Loads it from $POLUS_RUNTIME and starts it; ends the program if that cannot be done. */
static inline struct runtime load_runtime(void) {
  const char *path = getenv("POLUS_RUNTIME");
  void *library = path == NULL ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "no runtime: %s\n", path == NULL ? "POLUS_RUNTIME is not set" : dlerror());
    exit(3);
  }
  struct runtime runtime;
  *(void **)&runtime.control = symbol_of(library, "polus_control");
#define POLUS_FUNCTION(name) *(void **)&runtime.name = symbol_of(library, "polus_runtime_" #name)
  POLUS_FUNCTION(start);
  POLUS_FUNCTION(set);
  POLUS_FUNCTION(item);
  POLUS_FUNCTION(fields);
  POLUS_FUNCTION(pair);
  POLUS_FUNCTION(add);
  POLUS_FUNCTION(add_new);
  POLUS_FUNCTION(remove);
  POLUS_FUNCTION(visit);
  POLUS_FUNCTION(begin);
  POLUS_FUNCTION(end);
  POLUS_FUNCTION(step);
  POLUS_FUNCTION(drop);
  POLUS_FUNCTION(before_fork);
  POLUS_FUNCTION(after_fork);
  POLUS_FUNCTION(guards);
  POLUS_FUNCTION(store);
  POLUS_FUNCTION(action);
  POLUS_FUNCTION(site);
  POLUS_FUNCTION(gate);
  *(void **)&runtime.sites = symbol_of(library, "polus_sites");
  runtime.site_entry = symbol_of(library, "polus_site_entry");
  *(void **)&runtime.twin_of = symbol_of(library, "polus_twin_of");
  long result = runtime.start(getauxval(AT_HWCAP2));
  if (result < 0) {
    fprintf(stderr, "the runtime did not start: %ld\n", result);
    exit(3);
  }
  return runtime;
}

/** A result that must not be negative. */
static inline long good(long result, const char *what) {
  if (result < 0) {
    fprintf(stderr, "%s: %ld\n", what, result);
    exit(4);
  }
  return result;
}

/*
 * What the engine would find out of a transfer function, from $POLUS_PLAIN_FIELDS: for each function a word
 * "NAME:FROM,SIZE,TO,SIZE,SIGNED;…". Without it, or of other functions, nothing. Returns how many.
 */
static inline size_t plain_fields(const char *name, struct polus_field *fields, size_t most) {
  const char *words = getenv("POLUS_PLAIN_FIELDS");
  size_t length = strlen(name), count = 0;
  while (words != NULL && (strncmp(words, name, length) != 0 || words[length] != ':')) {
    words = strchr(words, ' ');
    if (words != NULL) words++;
  }
  if (words == NULL) return 0;
  char *at = (char *)words + length + 1;
  while (*at >= '0' && *at <= '9' && count < most) {
    unsigned long numbers[5];
    for (int i = 0; i < 5; i++) numbers[i] = strtoul(at, &at, 10), at++;
    fields[count++] = (struct polus_field){
        {(uint16_t)numbers[0], (uint16_t)numbers[2]}, {(uint8_t)numbers[1], (uint8_t)numbers[3]}, (uint8_t)numbers[4], 0};
  }
  return count;
}

/** A new item, with what is known of its fields. */
static inline long add_item(const struct runtime *runtime, long set, size_t old_size, size_t new_size,
                            polus_transfer *up, const char *up_name, polus_transfer *down, const char *down_name) {
  enum { MOST = 64 };
  struct polus_field forward[MOST], backward[MOST];
  long item = good(runtime->item(set, old_size, new_size, up, down), "item");
  size_t old_count = plain_fields(up_name, forward, MOST), new_count = plain_fields(down_name, backward, MOST);
  if (old_count + new_count == 0) return item;
  struct polus_field *room = (struct polus_field *)good(runtime->fields(item, old_count, new_count), "fields");
  memcpy(room, forward, old_count * sizeof *room);
  memcpy(room + old_count, backward, new_count * sizeof *room);
  return item;
}
#define ADD_ITEM(runtime, set, old_size, new_size, up, down) \
  add_item(runtime, set, old_size, new_size, up, #up, down, #down)

/** Steps until it is done; at most a minute. */
static inline void finish(const struct runtime *runtime, long set) {
  for (int i = 0; i < 60000; i++) {
    if (good(runtime->step(set, 1000), "step") == 0) return;
  }
  fprintf(stderr, "the set is never done\n");
  exit(4);
}

#endif
