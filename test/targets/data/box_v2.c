/* The second version of box.c. */
#include "box.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct box_v2 {
  struct stat file;
  unsigned long count;
  int pair[2];
  char text[100];
};

struct box_v2 box_v2;

void box_up(const struct box *old, struct box_v2 *new) {
  new->file = old->file;
  new->count = old->count;
  memcpy(new->pair, old->pair, sizeof old->pair);
  memcpy(new->text, old->text, sizeof old->text);
}

void box_down(const struct box_v2 *new, struct box *old) {
  old->file = new->file;
  old->count = (unsigned)new->count;
  memcpy(old->pair, new->pair, sizeof old->pair);
  memcpy(old->text, new->text, sizeof old->text);
}

struct tile_v2 {
  unsigned long colour;
  unsigned long number;
};

void tile_up(const struct tile *old, struct tile_v2 *new) {
  new->number = old->number;
  new->colour = old->colour;
}

void tile_down(const struct tile_v2 *new, struct tile *old) {
  old->number = (unsigned)new->number;
  old->colour = (unsigned)new->colour;
}

long hold(bool stay) {
  if (stay) abort();
  return 2;
}

long check(const char *text, unsigned count) {
  return strcmp(box_v2.text, text) == 0 && box_v2.count == count ? 2 : -2;
}
