#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "stats.h"

#define EVENTS 64
#define LINE_LIMIT 8192

struct connection {
  int socket;
  bool closing;
  size_t used; /* bytes of `line` that hold an unfinished command */
  size_t sent; /* bytes of `reply` that are on their way */
  struct reply reply;
  char line[LINE_LIMIT];
};

static int *polls;
static int poll_count;

static void close_connection(struct connection *connection) {
  close(connection->socket);
  free(connection->reply.data);
  free(connection);
}

/* Runs all whole lines that have arrived. */
static void run_lines(struct connection *connection) {
  char *start = connection->line, *end;
  char *limit = connection->line + connection->used;
  while (!connection->closing && (end = memchr(start, '\n', (size_t)(limit - start)))) {
    *end = '\0';
    if (end > start && end[-1] == '\r') end[-1] = '\0';
    connection->closing = !command_run(start, &connection->reply);
    start = end + 1;
  }
  connection->used = (size_t)(limit - start);
  memmove(connection->line, start, connection->used);
}

/* Sends what it can; false when the connection is finished. */
static bool flush_reply(struct connection *connection) {
  struct reply *reply = &connection->reply;
  while (connection->sent < reply->length) {
    ssize_t written = send(connection->socket, reply->data + connection->sent,
                           reply->length - connection->sent, MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno == EAGAIN;
    connection->sent += (size_t)written;
  }
  reply->length = connection->sent = 0;
  return !connection->closing && !reply->failed;
}

/* Reads until there is no more, answering as it goes; false when the connection is finished. */
static bool serve(struct connection *connection) {
  for (;;) {
    if (!flush_reply(connection)) return false;
    /* A client that does not read its answers gets no further ones. */
    if (connection->reply.length) return true;
    if (connection->used == LINE_LIMIT) return false;
    ssize_t got = recv(connection->socket, connection->line + connection->used,
                       LINE_LIMIT - connection->used, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    connection->used += (size_t)got;
    run_lines(connection);
  }
}

static void *work(void *argument) {
  int poll = *(int *)argument;
  struct epoll_event events[EVENTS];
  for (;;) {
    int ready = epoll_wait(poll, events, EVENTS, -1);
    if (ready < 0 && errno != EINTR) {
      perror("epoll_wait");
      exit(1);
    }
    for (int i = 0; i < ready; i++) {
      struct connection *connection = events[i].data.ptr;
      if (!serve(connection)) close_connection(connection);
    }
  }
  return NULL;
}

bool workers_start(int count) {
  polls = calloc((size_t)count, sizeof *polls);
  if (!polls) return false;
  for (; poll_count < count; poll_count++) {
    pthread_t thread;
    char name[16];
    polls[poll_count] = epoll_create1(EPOLL_CLOEXEC);
    if (polls[poll_count] < 0) return false;
    int error = pthread_create(&thread, NULL, work, &polls[poll_count]);
    if (error) return errno = error, false;
    snprintf(name, sizeof name, "worker %d", poll_count);
    pthread_setname_np(thread, name);
    pthread_detach(thread);
  }
  return true;
}

void workers_take(int socket) {
  static unsigned next;
  struct connection *connection = calloc(1, sizeof *connection);
  if (!connection) {
    close(socket);
    return;
  }
  connection->socket = socket;
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};
  atomic_fetch_add(&stats.connections, 1);
  if (epoll_ctl(polls[next++ % (unsigned)poll_count], EPOLL_CTL_ADD, socket, &event) < 0)
    close_connection(connection);
}
