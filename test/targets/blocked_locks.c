/* Waits for locks: futexes bare and behind pthread objects, System V semaphores and queues. */
#include "blocked.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_int futex_word, timed_futex_word;
static pthread_mutex_t condition_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static long condition_value;
static pthread_mutex_t contended = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t contended_pi;
static sem_t semaphore;
static int semaphores = -1, never_given = -1, messages = -1;

static long futex(atomic_int *word, int operation, int value, const struct timespec *limit) {
  return syscall(SYS_futex, word, operation, value, limit, NULL, 0);
}

/* EAGAIN: the word had changed already. */
static void wait_futex(void) {
  int value = atomic_load(&futex_word);
  long result = futex(&futex_word, FUTEX_WAIT_PRIVATE, value, NULL);
  if (result < 0 && errno == EAGAIN) return;
  wait_succeeded(result, "futex");
}
static void wake_futex(void) {
  atomic_fetch_add(&futex_word, 1);
  futex(&futex_word, FUTEX_WAKE_PRIVATE, 1, NULL);
}

static void wait_timed_futex(void) {
  const struct timespec limit = {.tv_nsec = 150000000};
  long begin = target_now_ns();
  long result = futex(&timed_futex_word, FUTEX_WAIT_PRIVATE, 0, &limit);
  if (result < 0 && errno == ETIMEDOUT) wait_lasted(begin, 150, "futex with a time-out");
  else if (result == 0) target_error("futex with a time-out returned 0 without a wake");
  else wait_succeeded(result, "futex with a time-out");
}

static void wait_condition(void) {
  pthread_mutex_lock(&condition_mutex);
  long seen = condition_value;
  while (condition_value == seen) {
    errno = pthread_cond_wait(&condition, &condition_mutex);
    if (errno != 0) target_error("pthread_cond_wait returned %d", errno);
  }
  pthread_mutex_unlock(&condition_mutex);
}
static void wake_condition(void) {
  pthread_mutex_lock(&condition_mutex);
  condition_value++;
  pthread_cond_signal(&condition);
  pthread_mutex_unlock(&condition_mutex);
}

static void wait_timed_condition(void) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 150000000;
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  pthread_mutex_lock(&mutex);
  int result = pthread_cond_timedwait(&never, &mutex, &until);
  pthread_mutex_unlock(&mutex);
  if (result != 0 && result != ETIMEDOUT) target_error("pthread_cond_timedwait returned %d", result);
}

/* The waker holds these for a while each time; the waiter queues up in the kernel. */
static void wait_mutex(void) {
  pthread_mutex_lock(&contended);
  pthread_mutex_unlock(&contended);
  target_sleep_us(1000);
}
static void wake_mutex(void) {
  pthread_mutex_lock(&contended);
  target_sleep_us(20000);
  pthread_mutex_unlock(&contended);
}

static void set_up_mutex_pi(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  wait_require(pthread_mutex_init(&contended_pi, &attributes) == 0, "mutex");
}
static void wait_mutex_pi(void) {
  if (pthread_mutex_lock(&contended_pi) != 0) target_error("lock of a PI mutex failed");
  pthread_mutex_unlock(&contended_pi);
  target_sleep_us(1000);
}
static void wake_mutex_pi(void) {
  pthread_mutex_lock(&contended_pi);
  target_sleep_us(20000);
  pthread_mutex_unlock(&contended_pi);
}

static void set_up_semaphore(void) { wait_require(sem_init(&semaphore, 0, 0) == 0, "sem_init"); }
static void wait_semaphore(void) { wait_succeeded(sem_wait(&semaphore), "sem_wait"); }
static void wake_semaphore(void) { sem_post(&semaphore); }

static void remove_objects(void) {
  if (semaphores >= 0) semctl(semaphores, 0, IPC_RMID);
  if (never_given >= 0) semctl(never_given, 0, IPC_RMID);
  if (messages >= 0) msgctl(messages, IPC_RMID, NULL);
}

/*
 * System V objects outlive a program that is killed; in a namespace of its own
 * they go with it. Without the privilege only a clean end removes them.
 */
static void own_objects(void) {
  static bool prepared;
  if (!prepared && unshare(CLONE_NEWIPC) != 0) atexit(remove_objects);
  prepared = true;
}

static void set_up_semop(void) {
  own_objects();
  semaphores = semget(IPC_PRIVATE, 1, 0600);
  wait_require(semaphores >= 0, "semget");
}
static void wait_semop(void) {
  struct sembuf take = {.sem_num = 0, .sem_op = -1};
  wait_succeeded(semop(semaphores, &take, 1), "semop");
}
static void wake_semop(void) {
  struct sembuf give = {.sem_num = 0, .sem_op = 1};
  semop(semaphores, &give, 1);
}

static void set_up_semtimedop(void) {
  own_objects();
  never_given = semget(IPC_PRIVATE, 1, 0600);
  wait_require(never_given >= 0, "semget");
}
static void wait_semtimedop(void) {
  struct sembuf take = {.sem_num = 0, .sem_op = -1};
  const struct timespec limit = {.tv_nsec = 150000000};
  long begin = target_now_ns();
  long result = semtimedop(never_given, &take, 1, &limit);
  if (result < 0 && errno == EAGAIN) wait_lasted(begin, 150, "semtimedop");
  else wait_succeeded(result < 0 ? result : -1, "semtimedop");
}

struct message {
  long type;
  char text[8];
};

static void set_up_messages(void) {
  own_objects();
  messages = msgget(IPC_PRIVATE, 0600);
  wait_require(messages >= 0, "msgget");
}
static void wait_messages(void) {
  struct message message;
  wait_succeeded(msgrcv(messages, &message, sizeof message.text, 0, 0), "msgrcv");
}
static void wake_messages(void) {
  struct message message = {.type = 1, .text = "x"};
  msgsnd(messages, &message, 1, IPC_NOWAIT);
}

struct wait_kind lock_kinds[] = {
    {"futex", NULL, wait_futex, wake_futex, {0}},
    {"futex_timed", NULL, wait_timed_futex, NULL, {0}},
    {"cond_wait", NULL, wait_condition, wake_condition, {0}},
    {"cond_timedwait", NULL, wait_timed_condition, NULL, {0}},
    {"mutex", NULL, wait_mutex, wake_mutex, {0}},
    {"mutex_pi", set_up_mutex_pi, wait_mutex_pi, wake_mutex_pi, {0}},
    {"sem_wait", set_up_semaphore, wait_semaphore, wake_semaphore, {0}},
    {"semop", set_up_semop, wait_semop, wake_semop, {0}},
    {"semtimedop", set_up_semtimedop, wait_semtimedop, NULL, {0}},
    {"msgrcv", set_up_messages, wait_messages, wake_messages, {0}},
    {0},
};
