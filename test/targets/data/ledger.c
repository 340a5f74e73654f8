/*
 * A global and a linked list that change their layout while threads write to them. Under the lock the
 * amounts add up to nothing, and the moves are as many as were made by whatever version.
 *
 *   --movers=N    threads that call the functions again and again, default 4
 *   --stay        one more thread stays inside `clerk` and writes as the old version does, until `leave`
 *   --sessions=N  length of the list, default 40
 *   --signals     a thread that stores to the items' page all the time, while signals arrive whose handlers
 *                 store there too, and leave by siglongjmp
 *
 *   book          what the old objects hold: moves, amounts, hits, and how many of both were made
 *   leave         lets the thread go that stays
 *   signals       how many were sent and handled, how often a handler left, and how far the thread has come
 *   birth         forks a child that calls the functions as its parent's movers do
 */
#include "ledger.h"
#include "target.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

TARGET_PROBE(move_probe, "move")
TARGET_PROBE(touch_probe, "touch")
TARGET_COUNTER(stayed_counter, "stayed")

struct ledger ledger = {.note = "first"};
struct session *sessions;
pthread_mutex_t book_lock = PTHREAD_MUTEX_INITIALIZER;
long moves_made, hits_made;
/* Of no data item, on the same page as one. */
volatile long neighbour;
static long close_by[16][4];

static atomic_bool staying, leave;

static volatile long stored, stored_in_handlers;
static atomic_long sent, handled, left;
static pthread_t jumper_thread;
static atomic_bool jumper_ready;
static sigjmp_buf before_the_loop;

static void on_counted(int number) {
  (void)number;
  stored_in_handlers++;
  atomic_fetch_add(&handled, 1);
}

static void on_leaving(int number) {
  (void)number;
  stored_in_handlers++;
  atomic_fetch_add(&left, 1);
  siglongjmp(before_the_loop, 1);
}

static void *jumper(void *argument) {
  (void)argument;
  struct sigaction counted = {.sa_handler = on_counted}, leaving = {.sa_handler = on_leaving};
  sigaddset(&counted.sa_mask, SIGUSR1);
  sigaction(SIGRTMIN + 5, &counted, NULL);
  sigaction(SIGUSR1, &leaving, NULL);
  jumper_thread = pthread_self();
  sigsetjmp(before_the_loop, 1);
  atomic_store(&jumper_ready, true);
  while (target_running()) stored = stored + 1;
  return NULL;
}

static void *sender(void *argument) {
  (void)argument;
  while (!atomic_load(&jumper_ready)) target_sleep_us(100);
  for (unsigned turn = 0; target_running(); turn++) {
    if (pthread_kill(jumper_thread, SIGRTMIN + 5) == 0) atomic_fetch_add(&sent, 1);
    if (turn % 2 == 0) pthread_kill(jumper_thread, SIGUSR1);
    target_sleep_us(100 + turn * 7 % 200);
    /* The kernel queues no more than so many. */
    while (atomic_load(&sent) > atomic_load(&handled) + 100 && target_running()) target_sleep_us(100);
  }
  return NULL;
}

static void move_as_old(unsigned from, unsigned to, int by) {
  pthread_mutex_lock(&book_lock);
  ledger.amount[from % ACCOUNTS] -= by;
  ledger.amount[to % ACCOUNTS] += by;
  ledger.moves++;
  moves_made++;
  long sum = 0;
  for (int i = 0; i < ACCOUNTS; i++) sum += ledger.amount[i];
  if (sum != 0) target_error("the old amounts add up to %ld", sum);
  if ((unsigned)moves_made != ledger.moves) {
    target_error("the old version knows %u of %ld moves", ledger.moves, moves_made);
  }
  pthread_mutex_unlock(&book_lock);
}

TARGET_UPDATED long move(unsigned from, unsigned to, int by) {
  move_as_old(from, to, by);
  return 1;
}

/* With `stay` it goes on until it is told to leave. */
TARGET_UPDATED long clerk(bool stay) {
  atomic_store(&staying, stay);
  for (unsigned turn = 0; stay && target_running() && !atomic_load(&leave); turn++) {
    move_as_old(turn, turn + 1, 3);
    if (turn % 4 == 0) target_sleep_us(200);
  }
  return 1;
}

TARGET_UPDATED long touch(unsigned which) {
  pthread_mutex_lock(&book_lock);
  struct session *s = sessions;
  for (unsigned i = 0; s != NULL && i < which; i++) s = s->next;
  if (s == NULL) {
    target_error("the list is shorter than %u", which);
  } else {
    s->hits++;
    hits_made++;
    if (s->id != which) target_error("session %u has become %u", which, s->id);
  }
  pthread_mutex_unlock(&book_lock);
  return 1;
}

/* For scripts. */
void sessions_each(void (*visit)(void *object, void *context), void *context) {
  pthread_mutex_lock(&book_lock);
  for (struct session *s = sessions; s != NULL; s = s->next) visit(s, context);
  pthread_mutex_unlock(&book_lock);
}

/* Stores that are shorter than a jump: with a branch target right behind it, and side by side. */
static __attribute__((noinline)) void store_closely(long *at, long value) {
  __asm__ volatile("test %[value], %[value]\n"
                   "jz 1f\n"
                   "lea 1(%[value]), %%rax\n"
                   "mov %%rax, (%[at])\n"
                   "1: mov %[value], 8(%[at])\n"
                   "mov %[value], 16(%[at])\n"
                   "mov %[value], 24(%[at])\n"
                   :
                   : [at] "r"(at), [value] "r"(value)
                   : "rax", "memory", "cc");
  long first = value == 0 ? at[0] : value + 1;
  if (at[0] != first || at[1] != value || at[2] != value || at[3] != value) {
    target_error("stores of %ld have left %ld %ld %ld %ld", value, at[0], at[1], at[2], at[3]);
  }
}

static long session_count;

static void *mover(void *argument) {
  unsigned seed = (unsigned)(size_t)argument;
  for (unsigned turn = 0; target_running(); turn++) {
    unsigned epoch = target_epoch();
    target_expect(&move_probe, epoch, move(seed + turn, seed * 7 + turn * 3, 5), 1, 2, 3);
    epoch = target_epoch();
    target_expect(&touch_probe, epoch, touch((seed + turn) % (unsigned)session_count), 1, 2, 3);
    neighbour = turn;
    store_closely(close_by[seed % 16], turn);
    if (turn % 16 == 0) target_sleep_us(300);
  }
  return NULL;
}

static void *inside(void *argument) {
  (void)argument;
  if (clerk(true) != 1) target_error("the frame that was inside returned something else");
  target_count(&stayed_counter, 1);
  return NULL;
}

/* The lock is taken, so that the child finds a book that is whole. */
static pid_t birth(void) {
  pid_t parent = getpid();
  pthread_mutex_lock(&book_lock);
  pid_t child = fork();
  pthread_mutex_unlock(&book_lock);
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  mover((void *)17);
  _exit(0);
}

static bool command(const char *line, char *reply, size_t size) {
  if (strcmp(line, "leave") == 0) {
    atomic_store(&leave, true);
    snprintf(reply, size, "\"left\":true");
    return true;
  }
  if (strcmp(line, "signals") == 0) {
    snprintf(reply, size, "\"sent\":%ld,\"handled\":%ld,\"left\":%ld,\"stored\":%ld", atomic_load(&sent),
             atomic_load(&handled), atomic_load(&left), stored);
    return true;
  }
  if (strcmp(line, "birth") == 0) {
    snprintf(reply, size, "\"child\":%d", birth());
    return true;
  }
  if (strcmp(line, "book") != 0) return false;
  pthread_mutex_lock(&book_lock);
  long hits = 0;
  for (struct session *s = sessions; s != NULL; s = s->next) hits += s->hits;
  snprintf(reply, size, "\"moves\":%u,\"made\":%ld,\"hits\":%ld,\"hits_made\":%ld,\"note\":\"%s\"", ledger.moves,
           moves_made, hits, hits_made, ledger.note);
  pthread_mutex_unlock(&book_lock);
  return true;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  session_count = target_option_number("sessions", 40);
  for (long i = session_count; i-- > 0;) {
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL) abort();
    *s = (struct session){.next = sessions, .id = (unsigned)i};
    snprintf(s->name, sizeof s->name, "number %u", s->id % 10000);
    sessions = s;
  }
  target_on_command(command);
  if (target_option("stay") != NULL) {
    target_thread(inside, NULL);
    while (!atomic_load(&staying)) target_sleep_us(100);
  }
  if (target_option("signals") != NULL) {
    target_thread(jumper, NULL);
    target_thread(sender, NULL);
  }
  long movers = target_option_number("movers", 4);
  for (long i = 0; i < movers; i++) target_thread(mover, (void *)i);
  return target_serve();
}
