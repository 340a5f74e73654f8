/* What the files of state.c share. */
#ifndef POLUS_TEST_STATE_H
#define POLUS_TEST_STATE_H

struct node {
  int value;
  struct node *next;
};

/* The other file's static variable `shared_name`. */
int other_shared_name(void);

#endif
