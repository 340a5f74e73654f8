/* The third version of ledger.c's global, from the second: the moves count downwards. */
#include "ledger.h"

#include <pthread.h>
#include <string.h>

/* As ledger_v2.c has it. */
struct ledger_v2 {
  char note[40];
  long amount[ACCOUNTS];
  unsigned long moves;
  unsigned long moves_since;
};

struct ledger_v3 {
  long left;
  struct {
    long amount;
    long spare;
  } account[ACCOUNTS];
  unsigned long moves_since;
  char note[64];
};

static const long most_moves = 1L << 40;

extern pthread_mutex_t book_lock;
extern long moves_made;
void target_error(const char *format, ...);

struct ledger_v3 ledger_v3;

void ledger_up(const struct ledger_v2 *old, struct ledger_v3 *new) {
  memcpy(new->note, old->note, sizeof old->note);
  for (int i = 0; i < ACCOUNTS; i++) new->account[i].amount = old->amount[i];
  new->left = most_moves - (long)old->moves;
  new->moves_since = old->moves_since;
}

void ledger_down(const struct ledger_v3 *new, struct ledger_v2 *old) {
  memcpy(old->note, new->note, sizeof old->note);
  for (int i = 0; i < ACCOUNTS; i++) old->amount[i] = new->account[i].amount;
  old->moves = (unsigned long)(most_moves - new->left);
  old->moves_since = new->moves_since;
}

long move(unsigned from, unsigned to, int by) {
  pthread_mutex_lock(&book_lock);
  ledger_v3.account[from % ACCOUNTS].amount -= by;
  ledger_v3.account[to % ACCOUNTS].amount += by;
  ledger_v3.left--;
  ledger_v3.moves_since++;
  moves_made++;
  long sum = 0;
  for (int i = 0; i < ACCOUNTS; i++) sum += ledger_v3.account[i].amount;
  if (sum != 0) target_error("the newest amounts add up to %ld", sum);
  if (moves_made != most_moves - ledger_v3.left) {
    target_error("the newest version knows %ld of %ld moves", most_moves - ledger_v3.left, moves_made);
  }
  pthread_mutex_unlock(&book_lock);
  return 3;
}
