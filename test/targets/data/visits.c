/*
 * A list whose elements come and go, by functions that old and new code call: `visits_of` knows by itself
 * how often each guest was visited.
 *
 *   --hosts=N  threads, default 3
 *   --stay     one more stays inside `party` and does as the old version does, until `leave`
 */
#include "visits.h"
#include "target.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TARGET_PROBE(host_probe, "host")
TARGET_COUNTER(arrived_counter, "arrived")

struct guest *guests;
pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
long visits_of[GUESTS];
unsigned char is_here[GUESTS];

static atomic_bool staying, leave;

TARGET_UPDATED struct guest *guest_create(unsigned id) {
  struct guest *g = malloc(sizeof *g);
  if (g == NULL) abort();
  *g = (struct guest){.id = id};
  snprintf(g->name, sizeof g->name, "guest %u", id);
  return g;
}

TARGET_UPDATED void guest_destroy(struct guest *g) {
  memset(g->name, '#', sizeof g->name);
  free(g);
}

/* Lets one in, or visits all and lets one out; under the lock. */
static void host_as_old(unsigned id) {
  if (!is_here[id]) {
    struct guest *g = guest_create(id);
    g->next = guests;
    guests = g;
    is_here[id] = 1;
    visits_of[id] = 0;
    return;
  }
  char name[16];
  unsigned found = 0;
  for (struct guest *g = guests; g != NULL; g = g->next) {
    g->visits++;
    visits_of[g->id % GUESTS]++;
    snprintf(name, sizeof name, "guest %u", g->id % GUESTS);
    if (g->visits != (unsigned)visits_of[g->id % GUESTS] || strcmp(g->name, name) != 0) {
      target_error("old guest %u (%.16s) has %u of %ld visits", g->id, g->name, g->visits, visits_of[g->id % GUESTS]);
    }
    found++;
  }
  unsigned wanted = 0;
  for (unsigned i = 0; i < GUESTS; i++) wanted += is_here[i];
  if (found != wanted) target_error("the old list has %u guests instead of %u", found, wanted);
  for (struct guest **at = &guests; *at != NULL; at = &(*at)->next) {
    if ((*at)->id != id) continue;
    struct guest *gone = *at;
    *at = gone->next;
    is_here[id] = 0;
    guest_destroy(gone);
    return;
  }
  target_error("guest %u is not in the old list", id);
}

TARGET_UPDATED long host(unsigned id) {
  pthread_mutex_lock(&door);
  host_as_old(id);
  pthread_mutex_unlock(&door);
  return 1;
}

/* With `stay` it goes on until it is told to leave. */
TARGET_UPDATED long party(bool stay) {
  atomic_store(&staying, stay);
  for (unsigned turn = 0; stay && target_running() && !atomic_load(&leave); turn++) {
    pthread_mutex_lock(&door);
    host_as_old(turn * 31 % GUESTS);
    pthread_mutex_unlock(&door);
    target_sleep_us(300);
  }
  return 1;
}

/* For scripts. */
void guests_each(void (*visit)(void *object, void *context), void *context) {
  pthread_mutex_lock(&door);
  for (struct guest *g = guests; g != NULL; g = g->next) visit(g, context);
  pthread_mutex_unlock(&door);
}

static void *hosting(void *argument) {
  unsigned seed = (unsigned)(size_t)argument * 77;
  for (unsigned turn = 0; target_running(); turn++) {
    unsigned epoch = target_epoch();
    seed = seed * 1103515245u + 12345u;
    target_expect(&host_probe, epoch, host((seed >> 16) % GUESTS), 1, 2, 3);
    target_count(&arrived_counter, 1);
    target_sleep_us(100);
  }
  return NULL;
}

static void *inside(void *argument) {
  (void)argument;
  if (party(true) != 1) target_error("the frame that was inside returned something else");
  return NULL;
}

static bool command(const char *line, char *reply, size_t size) {
  if (strcmp(line, "leave") != 0) return false;
  atomic_store(&leave, true);
  snprintf(reply, size, "\"left\":true");
  return true;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  target_on_command(command);
  if (target_option("stay") != NULL) {
    target_thread(inside, NULL);
    while (!atomic_load(&staying)) target_sleep_us(100);
  }
  long hosts = target_option_number("hosts", 3);
  for (long i = 0; i < hosts; i++) target_thread(hosting, (void *)(i + 1));
  return target_serve();
}
