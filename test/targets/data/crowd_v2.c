/* The second version of crowd.c. */
#include "crowd.h"

#include <string.h>

struct session_v2 {
  uint64_t hits;
  struct session_v2 *next;
  char user[48];
  uint64_t since;
  uint32_t limit;
};

extern struct session *sessions;
void *polus_twin_of(const void *object);

/* The program's table of all sessions keeps the old addresses. */
void session_hit(struct session *session) {
  struct session_v2 *new = polus_twin_of(session);
  new->hits++;
}
unsigned long session_hits(const struct session *session) {
  const struct session_v2 *new = polus_twin_of(session);
  return new->hits;
}

void session_up(const struct session *old, struct session_v2 *new) {
  new->hits = old->hits;
  new->limit = old->limit;
  memcpy(new->user, old->user, sizeof old->user);
  new->next = polus_twin_of(old->next);
}

void session_down(const struct session_v2 *new, struct session *old) {
  old->hits = (uint32_t)new->hits;
  old->limit = new->limit;
  memcpy(old->user, new->user, sizeof old->user);
  old->next = polus_twin_of(new->next);
}

void sessions_each(void (*visit)(void *object, void *context), void *context) {
  for (struct session *session = sessions; session != NULL; session = session->next) visit(session, context);
}
