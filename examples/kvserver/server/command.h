/* The line protocol: one command a line, one answer. See ../README.md for the commands. */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that are to be sent; grows as needed. */
struct reply {
  char *data;
  size_t length;
  size_t capacity;
  bool failed; /* out of memory: the connection must be closed */
};

void reply_add(struct reply *reply, const char *data, size_t length);

/* Runs the command in `line` (NUL ended, without the line's end, changed); false: the client said QUIT. */
bool command_run(char *line, struct reply *reply);

#endif
