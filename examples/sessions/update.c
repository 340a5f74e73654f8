/*
 * Version 2: a session knows when it was used last (the new command IDLE), the counters do not start again
 * after 65,535, and a bucket of the hash table counts how often it was searched (the new command BUCKET).
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <polus.h>

#include "server.h"

struct session_v2 {
  uint64_t used_ms; /* new */
  struct session_v2 *next;
  char name[NAME_LIMIT];
  unsigned long hits;
  unsigned id;
};

struct counters_v2 {
  unsigned long hits, logins;
};

struct bucket {
  struct session_v2 *first;
  unsigned long searches; /* new */
};

struct bucket table_v2[BUCKETS];
struct counters_v2 counters_v2;

/* Both ways field by field. What only the new version has is left alone: `to` holds what it held. */
void session_up(const struct session *from, struct session_v2 *to) {
  to->next = polus_twin_of(from->next);
  to->id = from->id;
  to->hits = from->hits;
  memcpy(to->name, from->name, sizeof to->name);
}

void session_down(const struct session_v2 *from, struct session *to) {
  to->next = polus_twin_of(from->next);
  to->id = from->id;
  to->hits = (unsigned)from->hits;
  memcpy(to->name, from->name, sizeof to->name);
}

void table_up(struct session *const *from, struct bucket *to) {
  for (int i = 0; i < BUCKETS; i++) to[i].first = polus_twin_of(from[i]);
}

void table_down(const struct bucket *from, struct session **to) {
  for (int i = 0; i < BUCKETS; i++) to[i] = polus_twin_of(from[i].first);
}

void counters_up(const struct counters *from, struct counters_v2 *to) {
  to->logins = from->logins;
  to->hits = from->hits;
}

void counters_down(const struct counters_v2 *from, struct counters *to) {
  to->logins = (unsigned short)from->logins;
  to->hits = (unsigned short)from->hits;
}

/* Names every session, under the program's own lock. */
void sessions_each(void (*visit)(void *object, void *context), void *context) {
  pthread_mutex_lock(&sessions_lock);
  for (int i = 0; i < BUCKETS; i++) {
    for (struct session *session = table[i]; session != NULL; session = session->next) visit(session, context);
  }
  pthread_mutex_unlock(&sessions_lock);
}

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Sessions come and go by the program's own functions, in the old layout: old code may be given them. */
struct session_v2 *session_create_v2(const char *name) {
  struct session_v2 *session = polus_twin_of(session_new(name));
  if (session == NULL) return NULL;
  session->used_ms = now_ms();
  struct bucket *bucket = &table_v2[session->id % BUCKETS];
  session->next = bucket->first;
  bucket->first = session;
  counters_v2.logins++;
  return session;
}

struct session_v2 *session_find_v2(unsigned id) {
  struct bucket *bucket = &table_v2[id % BUCKETS];
  struct session_v2 *session = bucket->first;
  bucket->searches++;
  while (session != NULL && session->id != id) session = session->next;
  return session;
}

void session_drop_v2(struct session_v2 *session) {
  struct session_v2 **link = &table_v2[session->id % BUCKETS].first;
  while (*link != session) link = &(*link)->next;
  *link = session->next;
  session_free(polus_twin_of(session));
}

int command_v2(const char *line, char *reply, size_t size) {
  char name[NAME_LIMIT];
  unsigned id;
  int length;
  struct session_v2 *session;
  pthread_mutex_lock(&sessions_lock);
  if (sscanf(line, "LOGIN %31s", name) == 1) {
    session = session_create_v2(name);
    length = session == NULL ? snprintf(reply, size, "-ERR no memory") : snprintf(reply, size, ":%u", session->id);
  } else if (sscanf(line, "HIT %u", &id) == 1) {
    session = session_find_v2(id);
    if (session != NULL) {
      counters_v2.hits++;
      session->used_ms = now_ms();
      length = snprintf(reply, size, ":%lu", ++session->hits);
    } else {
      length = snprintf(reply, size, "-ERR no session");
    }
  } else if (sscanf(line, "WHO %u", &id) == 1) {
    session = session_find_v2(id);
    length = session == NULL ? snprintf(reply, size, "-ERR no session") : snprintf(reply, size, "+%s", session->name);
  } else if (sscanf(line, "LOGOUT %u", &id) == 1) {
    session = session_find_v2(id);
    if (session != NULL) session_drop_v2(session);
    length = snprintf(reply, size, session == NULL ? "-ERR no session" : "+BYE");
  } else if (sscanf(line, "IDLE %u", &id) == 1) {
    session = session_find_v2(id);
    if (session == NULL) length = snprintf(reply, size, "-ERR no session");
    else if (session->used_ms == 0) length = snprintf(reply, size, "_"); /* not used since the update */
    else length = snprintf(reply, size, ":%lu", (unsigned long)(now_ms() - session->used_ms));
  } else if (sscanf(line, "BUCKET %u", &id) == 1) {
    length = snprintf(reply, size, ":%lu", table_v2[id % BUCKETS].searches);
  } else if (strcmp(line, "STATS") == 0) {
    length = snprintf(reply, size, "+logins %lu hits %lu", counters_v2.logins, counters_v2.hits);
  } else {
    length = snprintf(reply, size, "-ERR unknown command");
  }
  pthread_mutex_unlock(&sessions_lock);
  return length;
}
