/* Stops all threads of a process by PTRACE_SEIZE and PTRACE_INTERRUPT: for the bench's yardstick and for programs that damage targets on purpose. */
#ifndef SEIZE_H
#define SEIZE_H

#include <stdbool.h>
#include <sys/types.h>

enum { SEIZE_MOST_THREADS = 4096 };

struct seized {
  pid_t pid;
  int count;
  pid_t threads[SEIZE_MOST_THREADS];
};

/* Attaches to all threads, those born meanwhile included; nothing is stopped yet. Exits on failure. */
void seize_all(struct seized *seized, pid_t pid);

/* Interrupts all threads, then waits until each is stopped; threads that end meanwhile are dropped. */
void seize_stop(struct seized *seized);

/* Lets all threads go on and detaches. */
void seize_release(struct seized *seized);

/* Descriptor of the process's memory, open for reading and writing. Exits on failure. */
int seize_memory(pid_t pid);

/* Prints what failed and exits with status 2 unless `holds`. */
void seize_require(bool holds, const char *what);

#endif
