/* Version 1 of the server's data. */
#ifndef SERVER_H
#define SERVER_H

#include <pthread.h>
#include <stddef.h>

enum { BUCKETS = 64, NAME_LIMIT = 32 };

struct session {
  struct session *next;
  unsigned id;
  unsigned hits;
  char name[NAME_LIMIT];
};

/* Too narrow: they start again at 0 after 65,535. */
struct counters {
  unsigned short logins, hits;
};

extern pthread_mutex_t sessions_lock;
extern struct session *table[BUCKETS];
extern struct counters counters;

/* Handles a line; writes the answer without its line's end, and returns its length. */
int command(const char *line, char *reply, size_t size);

/* Allocated and filled in, not in the table yet; NULL if there is no memory. */
struct session *session_new(const char *name);
void session_free(struct session *session);

struct session *session_create(const char *name);
struct session *session_find(unsigned id);
void session_drop(struct session *session);

#endif
