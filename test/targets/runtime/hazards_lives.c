/* What the program does beside storing: signals, children, objects that come and go, updates on updates. */
#include "hazards.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static struct item *plain_item(void) { return (struct item *)(pages + 1024); }

static volatile struct item *handled;
static volatile int handled_times;

static void on_alarm(int number) {
  (void)number;
  handled->count++;
  handled_times++;
}

/* Handlers that store to the item interrupt stores to it, and the synchronisation that follows. */
static void handlers(void) {
  long set;
  struct item_v2 *new = make_coherent(plain_item(), &set);
  handled = plain_item();
  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &often, NULL);
  for (int i = 0; i < 100000 || handled_times < 100; i++) handled->total++;
  setitimer(ITIMER_REAL, &never, NULL);
  CHECK(handled->count == handled_times && agree(handled, new));
  take_back(set);
}

/* A handler that runs on a stack of the smallest size that the system allows. */
static void alternate(void) {
  long set;
  struct item_v2 *new = make_coherent(plain_item(), &set);
  handled = plain_item();
  size_t size = (size_t)sysconf(_SC_MINSIGSTKSZ) + 8192;
  stack_t stack = {.ss_sp = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), .ss_size = size};
  CHECK(sigaltstack(&stack, NULL) == 0);
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_ONSTACK};
  sigaction(SIGUSR1, &action, NULL);
  for (int i = 0; i < 1000; i++) raise(SIGUSR1);
  CHECK(handled->count == 1000 && agree(handled, new));
  take_back(set);
}

struct kernel_action {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  unsigned long mask;
};

static sigjmp_buf back;
static volatile int own_faults;

static void own_handler(int number) {
  (void)number;
  own_faults++;
  handled->count++; /* a store of ours, inside the program's own handler */
  siglongjmp(back, 1);
}

__attribute__((noinline)) static void touch(uintptr_t at) { *(volatile int *)at = 1; }

/* The program's own faults go to its own handler, and end it where it has none. */
static void own_faults_stay(void) {
  long set;
  struct item_v2 *new = make_coherent(plain_item(), &set);
  handled = plain_item();
  struct kernel_action mine = {own_handler, 0, NULL, 0}, none = {0};
  CHECK(runtime.action(SIGSEGV, &mine, NULL) == 0);
  for (int i = 0; i < 50; i++) {
    if (sigsetjmp(back, 1) == 0) touch((uintptr_t)(8 + i));
    handled->total++;
  }
  CHECK(own_faults == 50 && handled->count == 50 && handled->total == 50 && agree(handled, new));
  CHECK(runtime.action(SIGSEGV, &none, NULL) == 0);
  good(runtime.before_fork(), "before_fork");
  pid_t pid = fork();
  runtime.after_fork(pid == 0);
  if (pid == 0) {
    touch(8);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  /* One that is sent is not a fault of ours either. */
  good(runtime.before_fork(), "before_fork");
  pid = fork();
  runtime.after_fork(pid == 0);
  if (pid == 0) {
    raise(SIGSEGV);
    _exit(0);
  }
  CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  take_back(set);
}

/* A child of vfork has its parent's memory, and its stores are the parent's. */
static void vfork_child(void) {
  long set;
  struct item_v2 *new = make_coherent(plain_item(), &set);
  volatile struct item *old = plain_item();
  for (int i = 0; i < 20; i++) {
    pid_t pid = vfork();
    if (pid == 0) {
      old->count++;
      _exit(0);
    }
    CHECK(waitpid(pid, NULL, 0) == pid);
  }
  CHECK(old->count == 20 && agree(old, new));
  take_back(set);
}

/* Parent and child have two versions each; stores of one are none of the other's. */
static void forked(void) {
  long set;
  volatile struct item_v2 *new = make_coherent(plain_item(), &set);
  volatile struct item *old = plain_item();
  for (int i = 0; i < 10; i++) {
    good(runtime.before_fork(), "before_fork");
    pid_t pid = fork();
    runtime.after_fork(pid == 0);
    if (pid == 0) {
      int right = old->count == i && new->count == i;
      for (int k = 0; k < 1000; k++) new->count++;
      right = right && old->count == i + 1000 && new->count == i + 1000;
      take_back(set);
      old->count = 5;
      _exit(right && old->count == 5 ? 0 : 1);
    }
    for (int k = 0; k < 1000; k++) old->total++;
    old->count++;
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(old->count == i + 1 && agree(old, new));
  }
  take_back(set);
}

/* Who still uses a retired copy starts coexistence again, and sees what is true. */
static void stray(void) {
  long set;
  volatile struct item *old = plain_item();
  volatile struct item_v2 *new = make_coherent(plain_item(), &set);
  new->since = 77;
  good(runtime.end(set, POLUS_OLD), "end");
  finish(&runtime, set);
  old->count = 4711;
  CHECK(runtime.control->sets[set].state == POLUS_SET_OLD && runtime.control->sets[set].stray == 0);
  CHECK(new->count == 4711 && new->since == 77); /* the touch */
  CHECK(runtime.control->sets[set].stray == 1 && runtime.control->sets[set].state == POLUS_SET_COHERENT);
  new->limit = 12;
  CHECK(old->limit == 12 && agree(old, new));
  /* The same by what stores for a system call. */
  good(runtime.end(set, POLUS_OLD), "end");
  finish(&runtime, set);
  long limit = 13;
  runtime.store((void *)&new->limit, &limit, sizeof limit);
  CHECK(runtime.control->sets[set].stray == 2 && runtime.control->sets[set].state == POLUS_SET_COHERENT);
  CHECK(new->limit == 13 && old->limit == 13 && agree(old, new));
  take_back(set);
  CHECK(old->limit == 13);
}

struct narrow {
  short value;
  int other;
};
struct wide {
  long other, value;
};
static void narrow_up(const void *from, void *to) {
  ((struct wide *)to)->value = ((const struct narrow *)from)->value;
  ((struct wide *)to)->other = ((const struct narrow *)from)->other;
}
static void narrow_down(const void *from, void *to) {
  long value = ((const struct wide *)from)->value;
  ((struct narrow *)to)->value = (short)(value > 32767 ? 32767 : value);
  ((struct narrow *)to)->other = (int)((const struct wide *)from)->other;
}

/* What the old version cannot hold survives stores of the old version to other fields. */
static void narrowing(void) {
  volatile struct narrow *old = (struct narrow *)(pages + 1024);
  long set = good(runtime.set(), "set");
  long item = ADD_ITEM(&runtime, set, sizeof(struct narrow), sizeof(struct wide), narrow_up, narrow_down);
  good(runtime.add(item, (void *)old), "add");
  good(runtime.begin(set, POLUS_OLD), "begin");
  finish(&runtime, set);
  volatile struct wide *new = runtime.twin_of((void *)old);
  new->value = 100000;
  CHECK(old->value == 32767);
  old->other = 3;
  CHECK(new->value == 100000 && new->other == 3);
  old->value = 9;
  CHECK(new->value == 9);
  take_back(set);
}

struct head {
  struct head *next, *previous;
  long count;
};
static void head_over(const void *from, void *to) {
  const struct head *one = from;
  struct head *other = to;
  other->count = one->count;
  other->next = one->next == one ? other : runtime.twin_of(one->next);
  other->previous = one->previous == one ? other : runtime.twin_of(one->previous);
}

/* Heads that are empty point at themselves; updates stand on updates, each store reaches all versions. */
static void stacked(void) {
  enum { SETS = 5 };
  volatile struct head *version[SETS + 1] = {(struct head *)(pages + 1024)};
  long sets[SETS];
  version[0]->next = version[0]->previous = (struct head *)version[0];
  for (int i = 0; i < SETS; i++) {
    sets[i] = good(runtime.set(), "set");
    long item = ADD_ITEM(&runtime, sets[i], sizeof(struct head), sizeof(struct head), head_over, head_over);
    version[i + 1] = (struct head *)(pages + 64 * i); /* each a global of its own */
    good(runtime.pair(item, (void *)version[i], (void *)version[i + 1]), "pair");
    good(runtime.begin(sets[i], POLUS_OLD), "begin");
    finish(&runtime, sets[i]);
  }
  for (int turn = 0; turn < 60; turn++) {
    version[turn % (SETS + 1)]->count += turn;
    for (int i = 0; i <= SETS; i++) {
      CHECK(version[i]->count == turn * (turn + 1) / 2);
      CHECK(version[i]->next == version[i] && version[i]->previous == version[i]);
    }
  }
  for (int i = SETS - 1; i >= 0; i--) {
    take_back(sets[i]);
    version[0]->count++;
    for (int k = 0; k < i; k++) CHECK(version[k + 1]->count == version[0]->count);
  }
  CHECK(runtime.control->guarded_pages == 0);
}

/* Objects that old and new code make and free meanwhile. */
static void coming_and_going(void) {
  enum { OBJECTS = 500 };
  static struct item *objects[OBJECTS];
  long set;
  (void)make_coherent(plain_item(), &set);
  for (int turn = 0; turn < 4000; turn++) {
    int which = turn * 7919 % OBJECTS;
    if (objects[which] == NULL) {
      objects[which] = calloc(1, sizeof(struct item));
      if (objects[which] == NULL) exit(3);
      objects[which]->limit = turn;
      good(runtime.add(0, objects[which]), "add");
      struct item_v2 *new = runtime.twin_of(objects[which]);
      CHECK(new != NULL && new->limit == turn && new->since == 0 && agree(objects[which], new));
      ((volatile struct item_v2 *)new)->since = 9;
      ((volatile struct item_v2 *)new)->count = turn;
      CHECK(((volatile struct item *)objects[which])->count == turn);
    } else {
      CHECK(runtime.remove(objects[which]) == 1 && runtime.twin_of(objects[which]) == NULL);
      free(objects[which]);
      objects[which] = NULL;
    }
  }
  for (int i = 0; i < OBJECTS; i++) {
    if (objects[i] != NULL) CHECK(runtime.remove(objects[i]) == 1);
    free(objects[i]);
  }
  /* New code's objects get an old copy. */
  struct item_v2 *made = calloc(1, sizeof *made);
  if (made == NULL) exit(3);
  made->count = 31;
  good(runtime.add_new(0, made), "add_new");
  struct item *old = runtime.twin_of(made);
  CHECK(old != NULL && old->count == 31);
  CHECK(runtime.remove(made) == 1);
  free(made);
  CHECK(runtime.control->sets[set].objects == 1);
  take_back(set);
  CHECK(runtime.control->guarded_pages == 0);
}

/* Objects that `each` has named, and that the program frees, and others that it makes in their place, before they are known. */
static void pending(void) {
  enum { OBJECTS = 3000 };
  static struct item *objects[OBJECTS];
  long set = good(runtime.set(), "set");
  struct item *first = plain_item();
  long item = ADD_ITEM(&runtime, set, sizeof(struct narrow), sizeof(struct wide), narrow_up, narrow_down);
  for (int i = 0; i < OBJECTS; i++) {
    objects[i] = calloc(1, sizeof(struct item));
    if (objects[i] == NULL) exit(3);
    ((struct narrow *)objects[i])->other = i;
    runtime.visit(objects[i], (void *)item);
  }
  runtime.visit(first, (void *)item);
  CHECK(runtime.twin_of(first) == NULL && runtime.control->sets[set].objects == 0);
  for (int i = 0; i < OBJECTS; i += 3) {
    CHECK(runtime.remove(objects[i]) == 0);
    if (i % 2 == 0) good(runtime.add(item, objects[i]), "add"); /* the allocator gave the place to another one */
  }
  good(runtime.begin(set, POLUS_OLD), "begin");
  finish(&runtime, set);
  for (int i = 0; i < OBJECTS; i++) {
    const struct wide *new = runtime.twin_of(objects[i]);
    int gone = i % 3 == 0 && i % 2 != 0;
    CHECK(gone ? new == NULL : new != NULL && new->other == i);
  }
  ((volatile struct narrow *)first)->value = 5;
  CHECK(((volatile struct wide *)runtime.twin_of(first))->value == 5);
  CHECK(runtime.control->sets[set].objects == OBJECTS - OBJECTS / 6 + 1 && runtime.control->sets[set].fault == 0);
  take_back(set);
  for (int i = 0; i < OBJECTS; i++) free(objects[i]);
}

/* An object a page, made known and removed again while the table of pages grows: each is found until then. */
static void many_pages(void) {
  enum { PAGES = 12000 };
  unsigned char *at = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) exit(3);
  long set = good(runtime.set(), "set");
  long item = ADD_ITEM(&runtime, set, sizeof(struct narrow), sizeof(struct wide), narrow_up, narrow_down);
  static unsigned char known[PAGES];
  for (int i = 0; i < PAGES; i++) {
    int which = (int)((long)i * 7919 % PAGES), other = which / 2;
    good(runtime.add(item, at + (size_t)which * PAGE), "add");
    known[which] = 1;
    if (i % 3 == 0 && known[other]) {
      CHECK(runtime.remove(at + (size_t)other * PAGE) == 1);
      known[other] = 0;
    }
    for (int k = 0; k < 8; k++) {
      int one = (which + k * 1511) % PAGES;
      CHECK((runtime.twin_of(at + (size_t)one * PAGE) != NULL) == known[one]);
    }
  }
  good(runtime.begin(set, POLUS_OLD), "begin");
  finish(&runtime, set);
  for (int i = 0; i < PAGES; i++) {
    struct narrow *old = (struct narrow *)(at + (size_t)i * PAGE);
    const struct wide *new = runtime.twin_of(old);
    CHECK((new != NULL) == known[i]);
    if (new == NULL || i % 16 != 0) continue;
    ((volatile struct narrow *)old)->value = i;
    CHECK(((const volatile struct wide *)new)->value == i);
  }
  take_back(set);
  CHECK(runtime.control->guarded_pages == 0);
  munmap(at, (size_t)PAGES * PAGE);
}

static int mappings(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  int lines = 0, byte;
  if (maps == NULL) exit(3);
  while ((byte = getc(maps)) != EOF) lines += byte == '\n';
  fclose(maps);
  return lines;
}

/* From the last page to the first: a mapping a page would soon be more than a process may have (vm.max_map_count). */
static void descending(void) {
  enum { PAGES = 6000 };
  unsigned char *at = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) exit(3);
  int before = mappings();
  long set = good(runtime.set(), "set");
  long item = ADD_ITEM(&runtime, set, sizeof(struct narrow), sizeof(struct wide), narrow_up, narrow_down);
  for (int i = PAGES - 1; i >= 0; i--) good(runtime.add(item, at + (size_t)i * PAGE), "add");
  good(runtime.begin(set, POLUS_OLD), "begin");
  finish(&runtime, set);
  CHECK(mappings() - before < PAGES / 10);
  ((volatile struct narrow *)at)->value = 9;
  CHECK(((const volatile struct wide *)runtime.twin_of(at))->value == 9);
  good(runtime.end(set, POLUS_NEW), "end");
  finish(&runtime, set);
  CHECK(mappings() - before < PAGES / 10);
  CHECK(runtime.control->guarded_pages == 0);
  good(runtime.begin(set, POLUS_NEW), "begin");
  finish(&runtime, set);
  take_back(set);
  CHECK(mappings() - before < PAGES / 10);
  munmap(at, (size_t)PAGES * PAGE);
}

const struct hazard lives[] = {
    {"handlers", handlers},     {"alternate", alternate}, {"own-faults", own_faults_stay}, {"vfork", vfork_child},
    {"fork", forked},           {"stray", stray},         {"narrowing", narrowing},        {"stacked", stacked},
    {"objects", coming_and_going}, {"pending", pending}, {"many-pages", many_pages},
    {"descending", descending}, {NULL, NULL},
};
