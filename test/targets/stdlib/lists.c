/*
 * Three lists: jobs (singly linked), sessions (doubly linked) and a ring with a fixed first element.
 *
 *   busy 0|1      a thread keeps moving first elements to the end
 *   circle N      job N leads back to the first but one
 *   wild N        job N leads to no memory
 *   open N        element N of the ring leads back to element 2
 *   back N        session N leads back to itself
 *   ringback N    element N of the ring leads back to NULL
 *   look          walks all, at most a hundred steps each way
 */
#include "target.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { ELEMENTS = 12, MOST_STEPS = 100 };

struct job {
  int id;
  struct job *next;
};

struct session {
  int id;
  struct session *prev;
  struct session *next;
};

struct member {
  char name[4];
  struct {
    struct member *next, *prev;
  } entry;
};

static struct job all_jobs[ELEMENTS];
static struct session all_sessions[ELEMENTS];
static struct member all_members[ELEMENTS];

struct job *jobs;
struct session *sessions;
static struct session *last_session;
struct member ring;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool busy;

static void add_session(struct session *session) {
  session->next = NULL;
  session->prev = last_session;
  if (last_session) last_session->next = session;
  else sessions = session;
  last_session = session;
}

static void add_member(struct member *member) {
  member->entry.next = &ring;
  member->entry.prev = ring.entry.prev;
  ring.entry.prev->entry.next = member;
  ring.entry.prev = member;
}

static void add_job(struct job *job) {
  struct job **place = &jobs;
  while (*place) place = &(*place)->next;
  *place = job;
}

static void move_first(void) {
  struct session *session = sessions;
  sessions = session->next;
  sessions->prev = NULL;
  add_session(session);
  struct member *member = ring.entry.next;
  ring.entry.next = member->entry.next;
  member->entry.next->entry.prev = &ring;
  add_member(member);
  struct job *job = jobs;
  jobs = job->next;
  job->next = NULL;
  add_job(job);
}

static void *mover(void *argument) {
  while (target_running()) {
    for (int i = 0; i < 50 && atomic_load(&busy); i++) {
      pthread_mutex_lock(&lock);
      move_first();
      pthread_mutex_unlock(&lock);
    }
    target_sleep_us(50);
  }
  return argument;
}

static void look(char *reply, size_t size) {
  int job_count = 0, onward = 0, backward = 0, around = 0, back_around = 0;
  for (struct job *job = jobs; job && job_count < MOST_STEPS; job = job->next) {
    if (job < all_jobs || job >= all_jobs + ELEMENTS) {
      job_count = -1;
      break;
    }
    job_count++;
  }
  for (struct session *s = sessions; s && onward < MOST_STEPS; s = s->next) onward++;
  for (struct session *s = last_session; s && backward < MOST_STEPS; s = s->prev) backward++;
  for (struct member *m = ring.entry.next; m && m != &ring && around < MOST_STEPS; m = m->entry.next)
    around++;
  for (struct member *m = ring.entry.prev; m && m != &ring && back_around < MOST_STEPS;
       m = m->entry.prev)
    back_around++;
  snprintf(reply, size, "\"jobs\":%d,\"onward\":%d,\"backward\":%d,\"around\":%d,\"backAround\":%d",
           job_count, onward, backward, around, back_around);
}

static bool command(const char *line, char *reply, size_t size) {
  int n = 0;
  pthread_mutex_lock(&lock);
  bool known = true;
  if (sscanf(line, "busy %d", &n) == 1) atomic_store(&busy, n != 0);
  else if (sscanf(line, "circle %d", &n) == 1) all_jobs[n].next = &all_jobs[1];
  else if (sscanf(line, "wild %d", &n) == 1) all_jobs[n].next = (struct job *)0x10;
  else if (sscanf(line, "open %d", &n) == 1) all_members[n].entry.next = &all_members[2];
  else if (sscanf(line, "back %d", &n) == 1) all_sessions[n].prev = &all_sessions[n];
  else if (sscanf(line, "ringback %d", &n) == 1) all_members[n].entry.prev = NULL;
  else known = strcmp(line, "look") == 0;
  if (known) look(reply, size);
  pthread_mutex_unlock(&lock);
  return known;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  ring.entry.next = ring.entry.prev = &ring;
  for (int i = 0; i < ELEMENTS; i++) {
    all_jobs[i].id = all_sessions[i].id = i;
    snprintf(all_members[i].name, sizeof all_members[i].name, "m%d", i);
    add_job(&all_jobs[i]);
    add_session(&all_sessions[i]);
    add_member(&all_members[i]);
  }
  target_on_command(command);
  target_thread(mover, NULL);
  return target_serve();
}
