/* The second version of ledger.c: wider, in another order, with fields that the first does not have. */
#include "ledger.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct ledger_v2 {
  char note[40];
  long amount[ACCOUNTS];
  unsigned long moves;
  unsigned long moves_since;
};

struct session_v2 {
  char name[32];
  unsigned long hits;
  unsigned long since;
  struct session_v2 *next;
  unsigned id;
};

extern struct session *sessions;
extern pthread_mutex_t book_lock;
extern long moves_made, hits_made;
void target_error(const char *format, ...);
void *polus_twin_of(const void *object);

struct ledger_v2 ledger_v2;

void ledger_up(const struct ledger *old, struct ledger_v2 *new) {
  memcpy(new->note, old->note, sizeof old->note);
  for (int i = 0; i < ACCOUNTS; i++) new->amount[i] = old->amount[i];
  new->moves = old->moves;
}

void ledger_down(const struct ledger_v2 *new, struct ledger *old) {
  memcpy(old->note, new->note, sizeof old->note - 1);
  for (int i = 0; i < ACCOUNTS; i++) old->amount[i] = (int)new->amount[i];
  old->moves = (unsigned)new->moves;
}

void session_up(const struct session *old, struct session_v2 *new) {
  memcpy(new->name, old->name, sizeof old->name);
  new->hits = old->hits;
  new->id = old->id;
  new->next = polus_twin_of(old->next);
}

void session_down(const struct session_v2 *new, struct session *old) {
  memcpy(old->name, new->name, sizeof old->name);
  old->hits = (unsigned)new->hits;
  old->id = new->id;
  old->next = polus_twin_of(new->next);
}

long move(unsigned from, unsigned to, int by) {
  pthread_mutex_lock(&book_lock);
  ledger_v2.amount[from % ACCOUNTS] -= by;
  ledger_v2.amount[to % ACCOUNTS] += by;
  ledger_v2.moves++;
  ledger_v2.moves_since++;
  moves_made++;
  long sum = 0;
  for (int i = 0; i < ACCOUNTS; i++) sum += ledger_v2.amount[i];
  if (sum != 0) target_error("the new amounts add up to %ld", sum);
  if ((unsigned long)moves_made != ledger_v2.moves) {
    target_error("the new version knows %lu of %ld moves", ledger_v2.moves, moves_made);
  }
  pthread_mutex_unlock(&book_lock);
  return 2;
}

long clerk(bool stay) {
  if (stay) abort();
  return 2;
}

long touch(unsigned which) {
  pthread_mutex_lock(&book_lock);
  struct session_v2 *s = polus_twin_of(sessions);
  for (unsigned i = 0; s != NULL && i < which; i++) s = s->next;
  if (s == NULL) {
    target_error("the new list is shorter than %u", which);
  } else {
    s->hits++;
    s->since++;
    hits_made++;
    if (s->id != which) target_error("new session %u has become %u", which, s->id);
  }
  pthread_mutex_unlock(&book_lock);
  return 2;
}
