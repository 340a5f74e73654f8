/* Cases of what can go wrong while two versions of an object are kept coherent; each is run by its name. */
#ifndef HAZARDS_H
#define HAZARDS_H

#include <stdint.h>

#include "loaded.h"

struct item {
  int count, limit;
  uint64_t total;
  char name[40];
  unsigned char bytes[64];
};

/* Other order and wider types; `since` is of the new version alone. */
struct item_v2 {
  uint64_t total;
  unsigned char bytes[64];
  char name[64];
  long limit, count, since;
};

extern struct runtime runtime;

/** Two whole pages of the program's own, where items and their neighbours lie; the page boundary is in the middle. */
extern unsigned char *const pages;
enum { PAGE = 4096 };

/** A coherent set with one item at this address; its number goes to `set`, the twin is returned. */
struct item_v2 *make_coherent(struct item *old, long *set);

/** Ends the set with the old version alive, and forgets it. */
void take_back(long set);

/** Whether both versions say the same. */
int agree(const volatile struct item *old, const volatile struct item_v2 *new);

/** Notes and tells a condition that does not hold. */
void check_that(int holds, const char *what, int line);
#define CHECK(condition) check_that((condition) != 0, #condition, __LINE__)

struct hazard {
  const char *name;
  void (*run)(void);
};
extern const struct hazard stores[], lives[];

#endif
