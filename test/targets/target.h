/*
 * The protocol that every target program speaks with the tests.
 *
 * A target checks itself all the time, whether it is being updated or not, and
 * counts which version of a function each of its calls reached. Lines on
 * standard input ask for it:
 *
 *   state   a line of JSON: counters of the current epoch, errors so far
 *   reset   begins a new epoch (calls that began earlier are not counted in it)
 *   forbidden   makes a system call that the --seccomp filter answers with death
 *   quit    stops all threads, prints the last state with "verdict", exits
 *
 * A target ends by itself when standard input closes, when its parent dies, or
 * after --seconds (default 300). Exit status: 0 without errors, 3 with errors.
 *
 * All counters live in memory shared with forked children.
 */
#ifndef POLUS_TEST_TARGET_H
#define POLUS_TEST_TARGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Which version of an updated function a call reached. */
enum target_version { TARGET_OLD, TARGET_NEW, TARGET_NEWER, TARGET_VERSIONS };

/*
 * A function that tests update: compiled as if its callers were in another
 * file, so that nothing is assumed about its body.
 */
#define TARGET_UPDATED __attribute__((noipa))

#define TARGET_EPOCHS 512

/* Calls of one function, by epoch and version. Use TARGET_PROBE. */
struct target_probe {
  const char *name;
  int slot;
};

/* Anything else worth counting over the whole run. Use TARGET_COUNTER. */
struct target_counter {
  const char *name;
  int slot;
};

void target_register_probe(struct target_probe *probe);
void target_register_counter(struct target_counter *counter);

#define TARGET_PROBE(variable, text)                                                               \
  static struct target_probe variable = {.name = text};                                            \
  __attribute__((constructor)) static void variable##_register(void) {                             \
    target_register_probe(&variable);                                                              \
  }

#define TARGET_COUNTER(variable, text)                                                             \
  static struct target_counter variable = {.name = text};                                          \
  __attribute__((constructor)) static void variable##_register(void) {                             \
    target_register_counter(&variable);                                                            \
  }

/* Reads the options; first statement of main. */
void target_begin(int argc, char **argv);

/* Value of --name=value, NULL if not given ("" for a bare --name). */
const char *target_option(const char *name);
long target_option_number(const char *name, long otherwise);

/* Starts a thread that is joined by target_serve. Exits the program on failure. */
void target_thread(void *(*body)(void *), void *argument);

/* False once the target has been asked to end; threads look at it in their loops. */
bool target_running(void);

/* Epoch to hand to target_observe; read it before the call that is observed. */
unsigned target_epoch(void);
void target_observe(const struct target_probe *probe, unsigned epoch, enum target_version version);

/*
 * Compares a result with those of the versions; anything else is an error.
 * `expected` holds TARGET_VERSIONS values.
 */
void target_judge(const struct target_probe *probe, unsigned epoch, long result,
                  const long *expected);

/* Convenience for three expected values. */
#define target_expect(probe, epoch, result, old, new, newer)                                       \
  target_judge((probe), (epoch), (result), (const long[TARGET_VERSIONS]){(old), (new), (newer)})

void target_count(const struct target_counter *counter, long amount);
long target_counted(const struct target_counter *counter);

/* Records a violation; the first one's text is reported. Async-signal-safe but for the formatting of floats. */
void target_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A system call that failed with EINTR where no handler ran is a violation. */
void target_no_eintr(long result, const char *call);

/* Sleeps without caring for signals. */
void target_sleep_us(long microseconds);

/* Monotonic time in nanoseconds. */
long target_now_ns(void);

/*
 * Own commands of a target: returns true and writes a JSON object's members
 * (without braces) into `reply` when it knows the line.
 */
typedef bool target_command(const char *line, char *reply, size_t size);
void target_on_command(target_command *command);

/* Called once, after the threads were told to end and before they are joined. */
void target_on_quit(void (*hook)(void));

/*
 * Confines the process as the options say (--chroot=DIR --uid=N --undumpable
 * --lock-future --as-headroom=BYTES --crowded --seccomp[=no-sigreturn]), prints
 * READY, answers commands until the end, joins the threads, prints the verdict.
 * Returns main's exit status.
 */
int target_serve(void);

/* Applies the confinement options; target_serve calls it. */
void target_confine(void);

#endif
