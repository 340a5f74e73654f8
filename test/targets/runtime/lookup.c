/*
 * Lookups under stress: threads that ask for objects without a lock, while others make objects known and forget them,
 * the tables grow, and signal handlers ask too. Then the same by a process that may make no system call at all.
 *
 *     lookup SECONDS [few]: so few that most of what is no object is known by its address alone
 */
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loaded.h"
#include "under_stress.h"

enum { MOST_OBJECTS = 1 << 14, MOST_LASTING = 512, FEW_OBJECTS = 80, FEW_LASTING = 16 };

/* Eight on a page. */
struct thing {
  char bytes[512];
};

static struct runtime runtime;
static __typeof__(polus_copy_by) *copy_by;
static __typeof__(polus_runtime_disown) *disown;
static __typeof__(polus_runtime_forget) *forget;

static struct thing things[MOST_OBJECTS];
static void *twins[MOST_LASTING];
static unsigned objects = MOST_OBJECTS, lasting = MOST_LASTING;
static long item;
static atomic_ulong broken, reads, changes, handled, seen;

static void thing_up(const void *from, void *to) { memcpy(to, from, sizeof(struct thing)); }
static void thing_down(const void *from, void *to) { memcpy(to, from, sizeof(struct thing)); }

static void look_at(unsigned which, const void *inside) {
  struct thing *thing = &things[which];
  int right = copy_by(thing, (void *)thing_up) == twins[which] && copy_by(twins[which], (void *)thing_down) == thing &&
              copy_by(twins[which], (void *)thing_up) == twins[which] && copy_by(thing, (void *)thing_down) == thing;
  /* Neither a place inside of an object nor one of which nothing is known is one. */
  right &= copy_by(inside, (void *)thing_up) == NULL && disown((void *)inside) == inside && runtime.remove((void *)inside) == 0;
  if (!right) atomic_fetch_add(&broken, 1);
}

static void *reader(void *argument) {
  unsigned seed = (unsigned)(long)argument;
  while (!atomic_load(&stop)) {
    look_at(chance(&seed) % lasting, things[chance(&seed) % objects].bytes + 8);
    if (copy_by(&things[lasting + chance(&seed) % (objects - lasting)], (void *)thing_up) != NULL) atomic_fetch_add(&seen, 1);
    atomic_fetch_add(&reads, 1);
  }
  return NULL;
}

static void *writer(void *argument) {
  long which = (long)argument;
  unsigned seed = (unsigned)which;
  while (!atomic_load(&stop)) {
    struct thing *thing = &things[own_object(which, &seed, lasting, objects)];
    void *twin = copy_by(thing, (void *)thing_up);
    if (twin == NULL) {
      if (runtime.add(item, thing) < 0) atomic_fetch_add(&broken, 1);
      twin = copy_by(thing, (void *)thing_up);
      if (twin == NULL || copy_by(twin, (void *)thing_down) != thing) atomic_fetch_add(&broken, 1);
    } else {
      if (disown(chance(&seed) % 2 ? twin : thing) != thing) atomic_fetch_add(&broken, 1);
      if (copy_by(thing, (void *)thing_up) != NULL || runtime.remove(thing) != 0) atomic_fetch_add(&broken, 1);
    }
    atomic_fetch_add(&changes, 1);
  }
  return NULL;
}

static void on_alarm(int number) {
  (void)number;
  look_at((unsigned)(atomic_fetch_add(&handled, 1) % lasting), &broken);
}

/* In a child that is killed for any system call but those to end. */
static int makes_no_system_call(void) {
  pid_t child = fork();
  if (child == 0) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) syscall(SYS_exit, 2);
    for (unsigned i = 0; i < lasting; i++) look_at(i, things[i].bytes + 8);
    /* Not beside the objects: where a page holds some, there is something to forget. */
    forget(&child, sizeof child);
    (void)runtime.guards(&child, sizeof child);
    syscall(SYS_exit, 0);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int count, char **words) {
  runtime = load_runtime();
  if (count > 2 && strcmp(words[2], "few") == 0) objects = FEW_OBJECTS, lasting = FEW_LASTING;
  void *library = dlopen(getenv("POLUS_RUNTIME"), RTLD_NOW | RTLD_LOCAL);
  *(void **)&copy_by = symbol_of(library, "polus_copy_by");
  *(void **)&disown = symbol_of(library, "polus_runtime_disown");
  *(void **)&forget = symbol_of(library, "polus_runtime_forget");
  long set = good(runtime.set(), "set");
  item = ADD_ITEM(&runtime, set, sizeof(struct thing), sizeof(struct thing), thing_up, thing_down);
  for (unsigned i = 0; i < lasting; i++) {
    good(runtime.add(item, &things[i]), "add");
    twins[i] = copy_by(&things[i], (void *)thing_up);
    if (twins[i] == NULL) return 4;
  }
  under_stress(count > 1 ? atoi(words[1]) : 2, reader, writer, on_alarm);
  if (!makes_no_system_call()) atomic_fetch_add(&broken, 1);
  printf("reads %lu, changes %lu, handled %lu, seen %lu, broken %lu\n", atomic_load(&reads), atomic_load(&changes),
         atomic_load(&handled), atomic_load(&seen), atomic_load(&broken));
  return atomic_load(&broken) == 0 && atomic_load(&changes) > 1000 && atomic_load(&handled) > 10 ? 0 : 1;
}
