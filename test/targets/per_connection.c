/*
 * A server with a process for each connection, as sshd has: it forks, and the child executes the
 * program anew (`reexec`), executes another program for the session (`session PROGRAM`), or serves
 * as it is (`fork`). The reply is one line, `answer N`. Prints its port when it listens; ends with
 * its standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { connection_fd = 3 };

__attribute__((noipa)) long answer(long question) { return question * 3 + 1; }

/* Called before main: an update must have come before even that. */
static long first_answer;
__attribute__((constructor)) static void ask_early(void) { first_answer = answer(5); }

static int serve(int connection) {
  char line[64];
  int length = snprintf(line, sizeof line, "answer %ld %ld\n", first_answer, answer(7));
  ssize_t written = write(connection, line, (size_t)length);
  close(connection);
  return written == length ? 0 : 1;
}

static int listen_on_loopback(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 128) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
    perror("listen");
    exit(1);
  }
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

static void handle(int connection, const char *program, char *name) {
  if (program == NULL) _exit(serve(connection));
  dup2(connection, connection_fd);
  execv(program, (char *[]){name, "serve", NULL});
  perror("execv");
  _exit(1);
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  if (strcmp(mode, "serve") == 0) return serve(connection_fd);
  const char *program = NULL;
  if (strcmp(mode, "reexec") == 0) program = "/proc/self/exe";
  if (strcmp(mode, "session") == 0 && argc > 2) program = argv[2];
  if (program == NULL && strcmp(mode, "fork") != 0) return 2;

  signal(SIGCHLD, SIG_IGN);
  int listener = listen_on_loopback();
  struct pollfd polls[2] = {{.fd = listener, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  while (polls[1].revents == 0) {
    if (poll(polls, 2, -1) < 0 && errno != EINTR) return 1;
    if ((polls[0].revents & POLLIN) == 0) continue;
    int connection = accept(listener, NULL, NULL);
    if (connection < 0) continue;
    pid_t child = fork();
    if (child == 0) handle(connection, program, argv[0]);
    close(connection);
  }
  return 0;
}
