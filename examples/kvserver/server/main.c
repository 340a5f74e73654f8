/* kvserver: keeps strings under keys for clients on this machine. See ../README.md. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "glob.h"
#include "table.h"
#include "worker.h"

#define SWEEP_SECONDS 1

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void *sweep(void *unused) {
  (void)unused;
  for (;;) {
    sleep(SWEEP_SECONDS);
    table_sweep();
  }
  return NULL;
}

/* Listens on 127.0.0.1 only; tells the port that it got. */
static int open_listener(int *port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)*port)};
  socklen_t size = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (listener < 0) die("socket");
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
  if (listen(listener, 256) < 0) die("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &size) < 0) die("getsockname");
  *port = ntohs(address.sin_port);
  return listener;
}

static int read_count(const char *text, int least, int most) {
  char *end;
  long number = strtol(text, &end, 10);
  if (*end || number < least || number > most) {
    fprintf(stderr, "kvserver: %s: not a number from %d to %d\n", text, least, most);
    exit(2);
  }
  return (int)number;
}

int main(int argc, char **argv) {
  int port = 0, threads = 8, option;
  bool ignore_case = false;
  while ((option = getopt(argc, argv, "p:t:i")) != -1) {
    if (option == 'p') port = read_count(optarg, 0, 65535);
    else if (option == 't') threads = read_count(optarg, 1, 1024);
    else if (option == 'i') ignore_case = true;
    else {
      fprintf(stderr, "usage: kvserver [-p PORT] [-t THREADS] [-i]\n");
      return 2;
    }
  }
  signal(SIGPIPE, SIG_IGN);
  glob_init(ignore_case);
  int listener = open_listener(&port);
  pthread_t sweeper;
  if (!workers_start(threads)) die("worker");
  if ((errno = pthread_create(&sweeper, NULL, sweep, NULL))) die("sweeper");
  printf("listening on 127.0.0.1:%d\n", port);
  fflush(stdout);
  for (;;) {
    int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client >= 0) {
      int on = 1;
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      workers_take(client);
    } else if (errno != EINTR && errno != ECONNABORTED) {
      perror("accept");
      /* Out of descriptors, most likely: clients that leave give some back. */
      usleep(10000);
    }
  }
}
