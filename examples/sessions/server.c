/*
 * A server that keeps sessions: one thread a client, one command a line. See README.md.
 *
 *     sessiond [-p PORT]      tells "listening on 127.0.0.1:PORT"
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

pthread_mutex_t sessions_lock = PTHREAD_MUTEX_INITIALIZER;
struct session *table[BUCKETS];
struct counters counters;

/* Under the lock, as all that follows down to `command`. */
struct session *session_create(const char *name) {
  struct session *session = session_new(name);
  if (session == NULL) return NULL;
  struct session **bucket = &table[session->id % BUCKETS];
  session->next = *bucket;
  *bucket = session;
  counters.logins++;
  return session;
}

struct session *session_find(unsigned id) {
  struct session *session = table[id % BUCKETS];
  while (session != NULL && session->id != id) session = session->next;
  return session;
}

void session_drop(struct session *session) {
  struct session **link = &table[session->id % BUCKETS];
  while (*link != session) link = &(*link)->next;
  *link = session->next;
  session_free(session);
}

int command(const char *line, char *reply, size_t size) {
  char name[NAME_LIMIT];
  unsigned id;
  int length;
  pthread_mutex_lock(&sessions_lock);
  if (sscanf(line, "LOGIN %31s", name) == 1) {
    struct session *session = session_create(name);
    length = session == NULL ? snprintf(reply, size, "-ERR no memory") : snprintf(reply, size, ":%u", session->id);
  } else if (sscanf(line, "HIT %u", &id) == 1) {
    struct session *session = session_find(id);
    if (session != NULL) {
      counters.hits++;
      length = snprintf(reply, size, ":%u", ++session->hits);
    } else {
      length = snprintf(reply, size, "-ERR no session");
    }
  } else if (sscanf(line, "WHO %u", &id) == 1) {
    struct session *session = session_find(id);
    length = session == NULL ? snprintf(reply, size, "-ERR no session") : snprintf(reply, size, "+%s", session->name);
  } else if (sscanf(line, "LOGOUT %u", &id) == 1) {
    struct session *session = session_find(id);
    if (session != NULL) session_drop(session);
    length = snprintf(reply, size, session == NULL ? "-ERR no session" : "+BYE");
  } else if (strcmp(line, "STATS") == 0) {
    length = snprintf(reply, size, "+logins %hu hits %hu", counters.logins, counters.hits);
  } else {
    length = snprintf(reply, size, "-ERR unknown command");
  }
  pthread_mutex_unlock(&sessions_lock);
  return length;
}

static int send_all(int client, const char *data, size_t length) {
  while (length > 0) {
    ssize_t sent = send(client, data, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return -1;
    data += sent;
    length -= (size_t)sent;
  }
  return 0;
}

static void *serve(void *argument) {
  int client = (int)(long)argument;
  char buffer[1024], reply[128];
  size_t used = 0;
  for (;;) {
    ssize_t got = recv(client, buffer + used, sizeof buffer - used - 1, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    used += (size_t)got;
    char *start = buffer, *end;
    while ((end = memchr(start, '\n', (size_t)(buffer + used - start))) != NULL) {
      *end = '\0';
      int length = command(start, reply, sizeof reply - 1);
      reply[length++] = '\n';
      if (send_all(client, reply, (size_t)length) < 0) goto over;
      start = end + 1;
    }
    used = (size_t)(buffer + used - start);
    memmove(buffer, start, used);
    if (used == sizeof buffer - 1) break;
  }
over:
  close(client);
  return NULL;
}

int main(int argc, char **argv) {
  int port = argc == 3 && strcmp(argv[1], "-p") == 0 ? atoi(argv[2]) : 0, on = 1;
  signal(SIGPIPE, SIG_IGN);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  socklen_t size = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 64) < 0 ||
      getsockname(listener, (struct sockaddr *)&address, &size) < 0) {
    perror("sessiond");
    return 1;
  }
  printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    pthread_t thread;
    int client = accept(listener, NULL, NULL);
    if (client < 0) continue;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (pthread_create(&thread, NULL, serve, (void *)(long)client) != 0) close(client);
    else pthread_detach(thread);
  }
}
