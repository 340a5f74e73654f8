/* The old layout of box.c. */
#ifndef BOX_H
#define BOX_H

#include <sys/stat.h>

struct box {
  char text[64];
  unsigned count;
  int pair[2];
  struct stat file;
};

/* Objects in memory of their own. */
enum { TILES = 16 };
struct tile {
  unsigned number;
  unsigned colour;
};

#endif
