/* What crowd.c and its second version both know. */
#ifndef CROWD_H
#define CROWD_H

#include <stdint.h>

struct session {
  struct session *next;
  uint32_t hits, limit;
  char user[32];
};

#endif
