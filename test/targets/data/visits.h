/* The old layouts of visits.c. */
#ifndef VISITS_H
#define VISITS_H

#define GUESTS 256

struct guest {
  struct guest *next;
  unsigned id;
  unsigned visits;
  char name[16];
};

#endif
