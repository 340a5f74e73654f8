/* The old layouts of ledger.c. */
#ifndef LEDGER_H
#define LEDGER_H

#define ACCOUNTS 4

struct ledger {
  unsigned moves;
  int amount[ACCOUNTS];
  char note[12];
};

struct session {
  struct session *next;
  unsigned id;
  unsigned hits;
  char name[16];
};

#endif
