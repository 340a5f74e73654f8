/* The protocol of target.h: counters in shared memory, commands on standard input. */
#include "target.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PROBES = 48, MAX_COUNTERS = 64, MAX_THREADS = 1024, LINE_SIZE = 256, REPLY_SIZE = 16384 };

struct shared {
  atomic_uint epoch;
  atomic_bool ending;
  atomic_long errors;
  atomic_bool first_error_taken;
  atomic_bool first_error_written;
  char first_error[512];
  atomic_long seen[MAX_PROBES][TARGET_EPOCHS][TARGET_VERSIONS];
  atomic_long counted[MAX_COUNTERS];
};

static struct shared *shared;
static const char *probe_names[MAX_PROBES];
static int probes;
static const char *counter_names[MAX_COUNTERS];
static int counters;
static pthread_t threads[MAX_THREADS];
static int thread_count;
static int argument_count;
static char **arguments;
static long deadline_ns;
static target_command *own_command;
static void (*quit_hook)(void);

static void die(const char *what) {
  fprintf(stderr, "target: %s: %s\n", what, strerror(errno));
  _exit(2);
}

/* Constructors of several files come in any order: whoever is first maps. */
static void map_shared(void) {
  if (shared) return;
  void *memory =
      mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("mmap");
  shared = memory;
}

void target_register_probe(struct target_probe *probe) {
  map_shared();
  if (probes == MAX_PROBES) abort();
  probe->slot = probes;
  probe_names[probes++] = probe->name;
}

void target_register_counter(struct target_counter *counter) {
  map_shared();
  if (counters == MAX_COUNTERS) abort();
  counter->slot = counters;
  counter_names[counters++] = counter->name;
}

const char *target_option(const char *name) {
  size_t length = strlen(name);
  for (int i = 1; i < argument_count; i++) {
    const char *argument = arguments[i];
    if (strncmp(argument, "--", 2) != 0 || strncmp(argument + 2, name, length) != 0) continue;
    if (argument[2 + length] == '\0') return "";
    if (argument[2 + length] == '=') return argument + 3 + length;
  }
  return NULL;
}

long target_option_number(const char *name, long otherwise) {
  const char *text = target_option(name);
  return text && *text ? strtol(text, NULL, 0) : otherwise;
}

long target_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000L + now.tv_nsec;
}

void target_begin(int argc, char **argv) {
  argument_count = argc;
  arguments = argv;
  map_shared();
  setvbuf(stdout, NULL, _IONBF, 0);
  long seconds = target_option_number("seconds", 300);
  deadline_ns = target_now_ns() + seconds * 1000000000L;
  /* Three nets: the deadline here, the kernel's alarm should main hang, the parent's death. */
  alarm((unsigned)seconds + 20);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void target_thread(void *(*body)(void *), void *argument) {
  if (thread_count == MAX_THREADS) abort();
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  errno = pthread_create(&threads[thread_count++], &attributes, body, argument);
  if (errno != 0) die("pthread_create");
  pthread_attr_destroy(&attributes);
}

bool target_running(void) { return !atomic_load(&shared->ending); }

unsigned target_epoch(void) { return atomic_load(&shared->epoch); }

void target_observe(const struct target_probe *probe, unsigned epoch, enum target_version version) {
  atomic_fetch_add_explicit(&shared->seen[probe->slot][epoch % TARGET_EPOCHS][version], 1,
                            memory_order_relaxed);
}

void target_judge(const struct target_probe *probe, unsigned epoch, long result,
                  const long *expected) {
  for (int version = 0; version < TARGET_VERSIONS; version++) {
    if (result == expected[version]) {
      target_observe(probe, epoch, (enum target_version)version);
      return;
    }
  }
  target_error("%s: result %ld is none of %ld, %ld, %ld", probe->name, result, expected[0],
               expected[1], expected[2]);
}

void target_count(const struct target_counter *counter, long amount) {
  atomic_fetch_add_explicit(&shared->counted[counter->slot], amount, memory_order_relaxed);
}

long target_counted(const struct target_counter *counter) {
  return atomic_load(&shared->counted[counter->slot]);
}

void target_error(const char *format, ...) {
  int kept_errno = errno;
  atomic_fetch_add(&shared->errors, 1);
  if (!atomic_exchange(&shared->first_error_taken, true)) {
    va_list values;
    va_start(values, format);
    vsnprintf(shared->first_error, sizeof shared->first_error, format, values);
    va_end(values);
    atomic_store(&shared->first_error_written, true);
  }
  errno = kept_errno;
}

void target_no_eintr(long result, const char *call) {
  if (result < 0 && errno == EINTR) target_error("%s returned EINTR without a signal", call);
}

void target_sleep_us(long microseconds) {
  struct timespec time = {microseconds / 1000000, microseconds % 1000000 * 1000};
  while (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time) == EINTR) {
  }
}

void target_on_command(target_command *command) { own_command = command; }
void target_on_quit(void (*hook)(void)) { quit_hook = hook; }

/* Appends, always terminated, silently cut at the end. */
static void append(char *text, size_t size, const char *format, ...) {
  size_t used = strlen(text);
  if (used + 1 >= size) return;
  va_list values;
  va_start(values, format);
  vsnprintf(text + used, size - used, format, values);
  va_end(values);
}

static void append_quoted(char *text, size_t size, const char *value) {
  append(text, size, "\"");
  for (const char *c = value; *c; c++) {
    if (*c == '"' || *c == '\\') append(text, size, "\\%c", *c);
    else if ((unsigned char)*c < 0x20) append(text, size, "\\u%04x", *c);
    else append(text, size, "%c", *c);
  }
  append(text, size, "\"");
}

static void append_state(char *text, size_t size) {
  static const char *const versions[TARGET_VERSIONS] = {"old", "new", "newer"};
  unsigned epoch = target_epoch();
  append(text, size, "\"pid\":%d,\"epoch\":%u,\"errors\":%ld,\"firstError\":", (int)getpid(), epoch,
         atomic_load(&shared->errors));
  if (atomic_load(&shared->first_error_written)) append_quoted(text, size, shared->first_error);
  else append(text, size, "null");
  append(text, size, ",\"probes\":{");
  for (int p = 0; p < probes; p++) {
    append(text, size, "%s\"%s\":{", p ? "," : "", probe_names[p]);
    for (int v = 0; v < TARGET_VERSIONS; v++) {
      append(text, size, "%s\"%s\":%ld", v ? "," : "", versions[v],
             atomic_load(&shared->seen[p][epoch % TARGET_EPOCHS][v]));
    }
    append(text, size, "}");
  }
  append(text, size, "},\"counters\":{");
  for (int c = 0; c < counters; c++) {
    append(text, size, "%s\"%s\":%ld", c ? "," : "", counter_names[c],
           atomic_load(&shared->counted[c]));
  }
  append(text, size, "}");
}

static void say(const char *text) {
  size_t left = strlen(text);
  while (left > 0) {
    ssize_t written = write(STDOUT_FILENO, text, left);
    if (written < 0) {
      if (errno == EINTR) continue;
      _exit(2);
    }
    text += written;
    left -= (size_t)written;
  }
}

/* The slot of the coming epoch may hold counts from TARGET_EPOCHS resets ago. */
static void begin_epoch(void) {
  unsigned next = target_epoch() + 1;
  for (int p = 0; p < probes; p++) {
    for (int v = 0; v < TARGET_VERSIONS; v++) {
      atomic_store(&shared->seen[p][next % TARGET_EPOCHS][v], 0);
    }
  }
  atomic_store(&shared->epoch, next);
}

static void answer(const char *line) {
  static char reply[REPLY_SIZE];
  strcpy(reply, "{");
  if (strcmp(line, "state") == 0) {
    append_state(reply, sizeof reply - 3);
  } else if (strcmp(line, "reset") == 0) {
    begin_epoch();
    append(reply, sizeof reply - 3, "\"epoch\":%u", target_epoch());
  } else if (strcmp(line, "forbidden") == 0) {
    /* Not on the list of the --seccomp filter. */
    append(reply, sizeof reply - 3, "\"parent\":%d", (int)getppid());
  } else if (!own_command || !own_command(line, reply + 1, sizeof reply - 4)) {
    append(reply, sizeof reply - 3, "\"unknown\":true");
  }
  strcat(reply, "}\n");
  say(reply);
}

/* Reads lines until quit, end of file or the deadline; the main thread's loop. */
static void answer_commands(void) {
  char line[LINE_SIZE];
  size_t used = 0;
  for (;;) {
    long left_ms = (deadline_ns - target_now_ns()) / 1000000;
    if (left_ms <= 0) return;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int ready = poll(&input, 1, left_ms > 1000 ? 1000 : (int)left_ms);
    if (ready < 0 && errno != EINTR) die("poll");
    if (ready <= 0) continue;
    char byte;
    ssize_t got = read(STDIN_FILENO, &byte, 1);
    if (got == 0) return;
    if (got < 0) {
      if (errno == EINTR) continue;
      die("read");
    }
    if (byte != '\n') {
      if (used + 1 < sizeof line) line[used++] = byte;
      continue;
    }
    line[used] = '\0';
    used = 0;
    if (strcmp(line, "quit") == 0) return;
    answer(line);
  }
}

int target_serve(void) {
  target_confine();
  say("READY\n");
  answer_commands();
  atomic_store(&shared->ending, true);
  if (quit_hook) quit_hook();
  for (int i = 0; i < thread_count; i++) pthread_join(threads[i], NULL);
  static char reply[REPLY_SIZE];
  strcpy(reply, "{");
  append_state(reply, sizeof reply - 64);
  bool clean = atomic_load(&shared->errors) == 0;
  append(reply, sizeof reply, ",\"verdict\":\"%s\"}\n", clean ? "clean" : "violated");
  say(reply);
  return clean ? 0 : 3;
}
