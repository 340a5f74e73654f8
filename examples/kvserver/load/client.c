#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

bool client_open(struct client *client, int port, int timeout_ms) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
  int on = 1;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  client->used = 0;
  client->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client->socket < 0) return false;
  setsockopt(client->socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(client->socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(client->socket, (struct sockaddr *)&address, sizeof address) == 0) return true;
  client_close(client);
  return false;
}

void client_close(struct client *client) {
  if (client->socket >= 0) close(client->socket);
  client->socket = -1;
}

bool client_ask(struct client *client, const char *command, char answer[ANSWER_LIMIT]) {
  char line[ANSWER_LIMIT];
  int length = snprintf(line, sizeof line, "%s\n", command);
  for (int sent = 0; sent < length;) {
    ssize_t written = send(client->socket, line + sent, (size_t)(length - sent), MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    sent += (int)written;
  }
  for (;;) {
    char *end = memchr(client->input, '\n', client->used);
    if (end) {
      size_t size = (size_t)(end - client->input);
      memcpy(answer, client->input, size);
      answer[size] = '\0';
      client->used -= size + 1;
      memmove(client->input, end + 1, client->used);
      return true;
    }
    if (client->used == sizeof client->input) return errno = EMSGSIZE, false;
    ssize_t got = recv(client->socket, client->input + client->used, sizeof client->input - client->used, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = ECONNRESET;
    if (got <= 0) return false;
    client->used += (size_t)got;
  }
}
