/*
 * kvload: threads that talk to kvserver and check every single answer.
 *
 * Phases come on standard input, one a line: `NAME LOW HIGH`, where LOW to HIGH is what counting the keys
 * `item:[0-9][0-9]` may give from now on; the line `end`, the end of input, or the bound on time or number
 * of requests ends the run. For each phase that ends, one line of JSON goes to standard output. A request
 * belongs to the phase in which it was sent; one that is answered in the next phase may give what either
 * allows. Exit code 0: no request failed.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "histogram.h"

#define PHASES 16
#define ITEMS 100
#define TIMEOUT_MS 5000
#define FAILURES_IN_A_ROW 20

struct phase {
  char name[32];
  long low, high;
};

/* What one thread saw in one phase. */
struct tally {
  struct histogram latency;
  uint64_t failed;
  uint64_t counts[ITEMS + 1]; /* how often counting gave each number */
  char first_failure[160];
};

struct worker {
  pthread_t thread;
  int number;
  unsigned seed;
  long own_counter;
  unsigned long stored; /* value number last set under the thread's own key, 0: none */
  atomic_int phase;     /* phase of the request that is under way */
  atomic_bool stopped;
  struct client client;
  struct tally tallies[PHASES];
};

static struct {
  int port, threads, pause_us;
  long seconds;
  uint64_t requests;
} settings = {.threads = 8, .pause_us = 0, .seconds = 120, .requests = 50000000};

static struct phase phases[PHASES];
static atomic_int current = -1;
static atomic_bool finish;
static atomic_ulong asked;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

__attribute__((format(printf, 2, 3))) static void fail(struct tally *tally, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (tally->failed++ == 0) vsnprintf(tally->first_failure, sizeof tally->first_failure, format, arguments);
  va_end(arguments);
}

static bool number_of(const char *answer, long *number) {
  char *end;
  if (*answer != ':') return false;
  *number = strtol(answer + 1, &end, 10);
  return end != answer + 1 && !*end;
}

/* Sends one request and times it; the answer is good when a number fits or the text is `wanted`. */
static bool ask(struct worker *worker, struct tally *tally, const char *command, char answer[ANSWER_LIMIT]) {
  if (worker->client.socket < 0 && !client_open(&worker->client, settings.port, TIMEOUT_MS)) {
    fail(tally, "cannot connect: %s", strerror(errno));
    return false;
  }
  uint64_t start = now_ns();
  bool answered = client_ask(&worker->client, command, answer);
  int error = errno;
  histogram_add(&tally->latency, now_ns() - start);
  atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed);
  if (answered) return true;
  fail(tally, "%s: no answer: %s", command, strerror(error));
  client_close(&worker->client);
  return false;
}

static void expect(struct worker *worker, struct tally *tally, const char *command, const char *wanted) {
  char answer[ANSWER_LIMIT];
  if (ask(worker, tally, command, answer) && strcmp(answer, wanted) != 0)
    fail(tally, "%s: answered \"%s\" instead of \"%s\"", command, answer, wanted);
}

/* The request that shows the bug. */
static void count_items(struct worker *worker, struct tally *tally, const struct phase *sent_in) {
  static const char command[] = "COUNT item:[0-9][0-9]";
  char answer[ANSWER_LIMIT];
  long number;
  if (!ask(worker, tally, command, answer)) return;
  const struct phase *answered_in = &phases[atomic_load(&current)];
  if (!number_of(answer, &number) || number < 0 || number > ITEMS) {
    fail(tally, "%s: answered \"%s\"", command, answer);
    return;
  }
  tally->counts[number]++;
  bool fits = (number >= sent_in->low && number <= sent_in->high) ||
              (number >= answered_in->low && number <= answered_in->high);
  if (!fits) fail(tally, "%s: answered %ld, not %ld to %ld", command, number, sent_in->low, sent_in->high);
}

static void one_request(struct worker *worker, struct tally *tally, const struct phase *phase) {
  char command[128], wanted[128], answer[ANSWER_LIMIT];
  int n = worker->number;
  long number;
  switch (rand_r(&worker->seed) % 8) {
    case 0:
    case 1:
      worker->stored = 1 + (unsigned)rand_r(&worker->seed);
      snprintf(command, sizeof command, "SET own:%d value-%lu", n, worker->stored);
      expect(worker, tally, command, "+OK");
      break;
    case 2:
    case 3:
      snprintf(command, sizeof command, "GET own:%d", n);
      snprintf(wanted, sizeof wanted, worker->stored ? "$value-%lu" : "_", worker->stored);
      expect(worker, tally, command, wanted);
      break;
    case 4:
      snprintf(command, sizeof command, "INCR sum:%d", n);
      snprintf(wanted, sizeof wanted, ":%ld", ++worker->own_counter);
      expect(worker, tally, command, wanted);
      break;
    case 5:
      snprintf(command, sizeof command, "SET passing:%d x 60000", n);
      expect(worker, tally, command, "+OK");
      snprintf(command, sizeof command, "TTL passing:%d", n);
      if (ask(worker, tally, command, answer) && !(number_of(answer, &number) && number > 0 && number <= 60000))
        fail(tally, "%s: answered \"%s\"", command, answer);
      break;
    case 6: expect(worker, tally, "COUNT item:?5", ":10"); break;
    default: count_items(worker, tally, phase);
  }
}

static void *work(void *argument) {
  struct worker *worker = argument;
  int failures = 0;
  while (!atomic_load(&finish) && failures < FAILURES_IN_A_ROW) {
    int phase = atomic_load(&current);
    struct tally *tally = &worker->tallies[phase];
    uint64_t failed = tally->failed;
    atomic_store(&worker->phase, phase);
    one_request(worker, tally, &phases[phase]);
    failures = tally->failed > failed ? failures + 1 : 0;
    if (atomic_load_explicit(&asked, memory_order_relaxed) >= settings.requests) atomic_store(&finish, true);
    if (settings.pause_us) usleep((useconds_t)settings.pause_us);
  }
  client_close(&worker->client);
  atomic_store(&worker->stopped, true);
  return NULL;
}

static void print_text(const char *text) {
  putchar('"');
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') putchar('\\');
    if ((unsigned char)*text >= ' ') putchar(*text);
  }
  putchar('"');
}

/* Prints a phase that no thread has a request of any more. */
static uint64_t report(const struct worker *workers, int phase, double seconds) {
  static struct histogram latency;
  uint64_t failed = 0, counts[ITEMS + 1] = {0};
  const char *first_failure = NULL, *separator = "";
  memset(&latency, 0, sizeof latency);
  for (int i = 0; i < settings.threads; i++) {
    const struct tally *tally = &workers[i].tallies[phase];
    histogram_merge(&latency, &tally->latency);
    failed += tally->failed;
    for (int n = 0; n <= ITEMS; n++) counts[n] += tally->counts[n];
    if (tally->failed && !first_failure) first_failure = tally->first_failure;
  }
  printf("{\"phase\":");
  print_text(phases[phase].name);
  printf(",\"seconds\":%.3f,\"requests\":%lu,\"failed\":%lu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f", seconds,
         latency.count, failed, (double)histogram_quantile(&latency, 0.5) / 1e3,
         (double)histogram_quantile(&latency, 0.99) / 1e3, (double)latency.max_ns / 1e3);
  printf(",\"counts\":{");
  for (int n = 0; n <= ITEMS; n++) {
    if (!counts[n]) continue;
    printf("%s\"%d\":%lu", separator, n, counts[n]);
    separator = ",";
  }
  printf("},\"first_failure\":");
  if (first_failure) print_text(first_failure);
  else printf("null");
  printf("}\n");
  fflush(stdout);
  return failed;
}

/* Until every thread has left the phases before `phase`. */
static void wait_for_threads(struct worker *workers, int phase) {
  for (int i = 0; i < settings.threads; i++)
    while (!atomic_load(&workers[i].stopped) && atomic_load(&workers[i].phase) < phase) usleep(100);
}

/* A line of standard input, NULL at its end or when `deadline_ns` has passed or the threads have finished. */
static char *next_line(uint64_t deadline_ns) {
  static char buffer[4096];
  static size_t used, taken;
  memmove(buffer, buffer + taken, used -= taken);
  taken = 0;
  for (;;) {
    char *end = memchr(buffer, '\n', used);
    if (end) {
      *end = '\0';
      taken = (size_t)(end - buffer) + 1;
      return buffer;
    }
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (now_ns() >= deadline_ns || atomic_load(&finish) || used == sizeof buffer) return NULL;
    int ready = poll(&input, 1, 50);
    if (ready <= 0) continue;
    ssize_t got = read(STDIN_FILENO, buffer + used, sizeof buffer - used);
    if (got <= 0) return NULL;
    used += (size_t)got;
  }
}

/* Puts the keys in place that are counted, and takes away what an earlier load left. */
static bool load_items(void) {
  struct client client;
  char command[64], answer[ANSWER_LIMIT];
  bool good = client_open(&client, settings.port, TIMEOUT_MS);
  for (int i = 0; good && i < ITEMS; i++) {
    snprintf(command, sizeof command, "SET item:%02d number-%d", i, i);
    good = client_ask(&client, command, answer) && strcmp(answer, "+OK") == 0;
  }
  for (int i = 0; good && i < settings.threads; i++) {
    snprintf(command, sizeof command, "DEL own:%d", i);
    good = client_ask(&client, command, answer);
    snprintf(command, sizeof command, "DEL sum:%d", i);
    good = good && client_ask(&client, command, answer);
  }
  client_close(&client);
  if (!good) fprintf(stderr, "kvload: the server on port %d does not take the first keys\n", settings.port);
  return good;
}

static void read_settings(int argc, char **argv) {
  int option;
  while ((option = getopt(argc, argv, "p:t:u:s:n:")) != -1) {
    long value = optarg ? strtol(optarg, NULL, 10) : 0;
    if (option == 'p') settings.port = (int)value;
    else if (option == 't') settings.threads = (int)value;
    else if (option == 'u') settings.pause_us = (int)value;
    else if (option == 's') settings.seconds = value;
    else if (option == 'n') settings.requests = (uint64_t)value;
  }
  if (settings.port < 1 || settings.port > 65535 || settings.threads < 1 || settings.threads > 512 ||
      settings.pause_us < 0 || settings.seconds < 1) {
    fprintf(stderr, "usage: kvload -p PORT [-t THREADS] [-u PAUSE_US] [-s MOST_SECONDS] [-n MOST_REQUESTS]\n");
    exit(2);
  }
}

int main(int argc, char **argv) {
  read_settings(argc, argv);
  uint64_t deadline = now_ns() + (uint64_t)settings.seconds * 1000000000u, began = 0, failed = 0;
  struct worker *workers = calloc((size_t)settings.threads, sizeof *workers);
  char *line;
  if (!workers || !load_items()) return 1;
  while ((line = next_line(deadline)) && strcmp(line, "end") != 0) {
    int next = atomic_load(&current) + 1;
    struct phase *phase = &phases[next];
    if (next == PHASES || sscanf(line, "%31s %ld %ld", phase->name, &phase->low, &phase->high) != 3) {
      fprintf(stderr, "kvload: cannot read the phase \"%s\"\n", line);
      return 2;
    }
    atomic_store(&current, next);
    for (int i = 0; i < settings.threads && next == 0; i++) {
      workers[i].number = i;
      workers[i].seed = (unsigned)i + 1;
      workers[i].client.socket = -1;
      if ((errno = pthread_create(&workers[i].thread, NULL, work, &workers[i]))) return perror("kvload"), 1;
    }
    uint64_t now = now_ns();
    if (next > 0) {
      wait_for_threads(workers, next);
      failed += report(workers, next - 1, (double)(now - began) / 1e9);
    }
    began = now;
  }
  int last = atomic_load(&current);
  atomic_store(&finish, true);
  if (last < 0) return 0;
  for (int i = 0; i < settings.threads; i++) pthread_join(workers[i].thread, NULL);
  failed += report(workers, last, (double)(now_ns() - began) / 1e9);
  return failed ? 1 : 0;
}
