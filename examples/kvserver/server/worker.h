/* Worker threads: each waits for its own share of the connections and answers them. */
#ifndef WORKER_H
#define WORKER_H

#include <stdbool.h>

/* Starts `count` threads; false (with errno) when one could not be had. */
bool workers_start(int count);

/* Hands an accepted, non-blocking socket to one of them in turn; closes it on failure. */
void workers_take(int socket);

#endif
