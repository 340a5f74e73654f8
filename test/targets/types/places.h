#ifndef PLACES_H
#define PLACES_H

struct shared {
  int count;
  struct shared *next;
};
enum colour { RED = 1, GREEN = -2, BLUE = 0x7fffffff };
extern struct shared *list;
int other(void);
int *keep(void);

#endif
