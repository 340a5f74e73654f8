/* The second version of visits.c. */
#include "visits.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct guest_v2 {
  char name[40];
  unsigned long visits;
  unsigned long id;
  struct guest_v2 *next;
  unsigned long since;
};

extern pthread_mutex_t door;
extern long visits_of[GUESTS];
extern unsigned char is_here[GUESTS];
void target_error(const char *format, ...);
void *polus_twin_of(const void *object);

struct guest_v2 *guests_v2;

void guests_up(struct guest *const *old, struct guest_v2 **new) { *new = polus_twin_of(*old); }
void guests_down(struct guest_v2 *const *new, struct guest **old) { *old = polus_twin_of(*new); }

void guest_up(const struct guest *old, struct guest_v2 *new) {
  memcpy(new->name, old->name, sizeof old->name);
  new->visits = old->visits;
  new->id = old->id;
  new->next = polus_twin_of(old->next);
}

void guest_down(const struct guest_v2 *new, struct guest *old) {
  memcpy(old->name, new->name, sizeof old->name);
  old->visits = (unsigned)new->visits;
  old->id = (unsigned)new->id;
  old->next = polus_twin_of(new->next);
}

/* Objects come and go in the old layout, whoever creates them: old code may be given them. */
struct guest *guest_create(unsigned id);
void guest_destroy(struct guest *g);

static void host_as_new(unsigned id) {
  if (!is_here[id]) {
    struct guest_v2 *g = polus_twin_of(guest_create(id));
    if (g == NULL) {
      target_error("new guest %u has no new copy", id);
      return;
    }
    g->next = guests_v2;
    guests_v2 = g;
    is_here[id] = 1;
    visits_of[id] = 0;
    return;
  }
  char name[16];
  unsigned found = 0;
  for (struct guest_v2 *g = guests_v2; g != NULL; g = g->next) {
    g->visits++;
    g->since++;
    visits_of[g->id % GUESTS]++;
    snprintf(name, sizeof name, "guest %u", (unsigned)g->id % GUESTS);
    if (g->visits != (unsigned long)visits_of[g->id % GUESTS] || strcmp(g->name, name) != 0) {
      target_error("new guest %lu (%.16s) has %lu of %ld visits", g->id, g->name, g->visits, visits_of[g->id % GUESTS]);
    }
    found++;
  }
  unsigned wanted = 0;
  for (unsigned i = 0; i < GUESTS; i++) wanted += is_here[i];
  if (found != wanted) target_error("the new list has %u guests instead of %u", found, wanted);
  for (struct guest_v2 **at = &guests_v2; *at != NULL; at = &(*at)->next) {
    if ((*at)->id != id) continue;
    struct guest_v2 *gone = *at;
    *at = gone->next;
    is_here[id] = 0;
    guest_destroy(polus_twin_of(gone));
    return;
  }
  target_error("guest %u is not in the new list", id);
}

long host(unsigned id) {
  pthread_mutex_lock(&door);
  host_as_new(id);
  pthread_mutex_unlock(&door);
  return 2;
}

long party(bool stay) {
  if (stay) abort();
  return 2;
}
