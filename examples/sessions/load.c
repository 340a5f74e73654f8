/*
 * Clients that use sessions, and notice if one hit is lost or counted twice: each session's count must be one
 * more with each answer. Phases are named on standard input ("NAME\n", "end\n"); for each that ends one line of
 * JSON comes out.
 *
 *     load PORT CLIENTS CHURN      CHURN 1: sessions also come and go
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 64, SESSIONS = 16 };

static int port, churn;
static atomic_int stop;
static atomic_ulong requests, failed, longest_us;
static char first_failure[512];

static unsigned long now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (unsigned long)now.tv_sec * 1000000 + (unsigned long)now.tv_nsec / 1000;
}

static void fail(const char *asked, const char *wanted, const char *answer) {
  if (atomic_fetch_add(&failed, 1) == 0) {
    snprintf(first_failure, sizeof first_failure, "%s: %s, not %s", asked, answer, wanted);
  }
}

struct client {
  pthread_t thread;
  FILE *in;
  int socket;
  unsigned ids[SESSIONS];
  unsigned long hits[SESSIONS];
  unsigned seed;
};

/* Asks, and takes the answer without its line's end. */
static int ask(struct client *client, const char *question, char *answer, size_t size) {
  char line[128];
  int length = snprintf(line, sizeof line, "%s\n", question);
  unsigned long start = now_us();
  if (send(client->socket, line, (size_t)length, MSG_NOSIGNAL) != length || fgets(answer, (int)size, client->in) == NULL) {
    fail(question, "an answer", "the connection ended");
    return -1;
  }
  answer[strcspn(answer, "\n")] = '\0';
  unsigned long took = now_us() - start, longest = atomic_load(&longest_us);
  while (took > longest && !atomic_compare_exchange_weak(&longest_us, &longest, took)) continue;
  atomic_fetch_add(&requests, 1);
  return 0;
}

static int login(struct client *client, int which) {
  char answer[128];
  if (ask(client, "LOGIN somebody", answer, sizeof answer) < 0) return -1;
  client->ids[which] = (unsigned)strtoul(answer + 1, NULL, 10);
  client->hits[which] = 0;
  if (answer[0] != ':' || client->ids[which] == 0) fail("LOGIN somebody", "a number", answer);
  return 0;
}

static int expect(struct client *client, const char *question, const char *wanted) {
  char answer[128];
  if (ask(client, question, answer, sizeof answer) < 0) return -1;
  if (strcmp(answer, wanted) != 0) fail(question, wanted, answer);
  return 0;
}

static int use(struct client *client) {
  char question[64], wanted[64];
  client->seed = client->seed * 1664525u + 1013904223u;
  int which = (int)(client->seed >> 16) % SESSIONS;
  snprintf(question, sizeof question, "HIT %u", client->ids[which]);
  snprintf(wanted, sizeof wanted, ":%lu", ++client->hits[which]);
  if (expect(client, question, wanted) < 0) return -1;
  if (!churn || client->seed % 64 != 0) return 0;
  snprintf(question, sizeof question, "LOGOUT %u", client->ids[which]);
  if (expect(client, question, "+BYE") < 0) return -1;
  return login(client, which);
}

static void *run(void *argument) {
  struct client *client = argument;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  client->socket = socket(AF_INET, SOCK_STREAM, 0);
  int on = 1;
  if (connect(client->socket, (struct sockaddr *)&address, sizeof address) < 0) {
    fail("connect", "a connection", "none");
    return NULL;
  }
  setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  client->in = fdopen(client->socket, "r");
  for (int i = 0; i < SESSIONS; i++) {
    if (login(client, i) < 0) return NULL;
  }
  while (!atomic_load(&stop) && use(client) == 0) usleep(200);
  return NULL;
}

static void report(const char *phase) {
  printf("{\"phase\":\"%s\",\"requests\":%lu,\"failed\":%lu,\"max_us\":%lu,\"first_failure\":", phase,
         atomic_exchange(&requests, 0), atomic_exchange(&failed, 0), atomic_exchange(&longest_us, 0));
  if (first_failure[0] == '\0') printf("null}\n");
  else printf("\"%s\"}\n", first_failure);
  first_failure[0] = '\0';
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  port = atoi(argv[1]);
  churn = atoi(argv[3]);
  int clients = atoi(argv[2]);
  if (clients < 1 || clients > CLIENTS) return 2;
  static struct client all[CLIENTS];
  for (int i = 0; i < clients; i++) {
    all[i].seed = (unsigned)i + 1;
    if (pthread_create(&all[i].thread, NULL, run, &all[i]) != 0) return 1;
  }
  char phase[32] = "", line[32];
  alarm(300);
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, " \n")] = '\0';
    if (phase[0] != '\0') report(phase);
    strcpy(phase, line);
    if (strcmp(line, "end") == 0) break;
    first_failure[0] = '\0';
  }
  atomic_store(&stop, 1);
  for (int i = 0; i < clients; i++) pthread_join(all[i].thread, NULL);
  return 0;
}
