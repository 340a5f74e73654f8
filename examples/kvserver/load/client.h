/* One connection to kvserver: sends a line, waits for the line that answers it. */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#define ANSWER_LIMIT 512

struct client {
  int socket; /* -1: not connected */
  size_t used;
  char input[ANSWER_LIMIT];
};

/* Connects to 127.0.0.1; every later wait is bounded by `timeout_ms`. */
bool client_open(struct client *client, int port, int timeout_ms);

void client_close(struct client *client);

/* The answer without its line end is put into `answer`; false (with errno) when none came. */
bool client_ask(struct client *client, const char *command, char answer[ANSWER_LIMIT]);

#endif
