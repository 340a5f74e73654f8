/*
 * A program whose use of memory goes up and down, and that can be made to leak.
 *
 *   leak N     leaks N KiB every few milliseconds from now on: the fault
 *   hoard N    takes N MiB and frees it again, in pieces that the heap keeps
 *   look
 */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

volatile long kept;
static atomic_int leak;

static void *server(void *argument) {
  for (long turn = 0; target_running(); turn++) {
    size_t size = (size_t)(turn % 5 + 1) * 40000;
    char *work = malloc(size);
    if (work == NULL) break;
    memset(work, 1, size);
    target_sleep_us(2000);
    free(work);
    size_t lost = (size_t)atomic_load(&leak) * 1024;
    char *leaked = lost == 0 ? NULL : malloc(lost);
    if (leaked == NULL) continue;
    memset(leaked, 1, lost);
    kept += (long)lost;
  }
  return argument;
}

static void hoard(int megabytes) {
  enum { PIECE = 32 * 1024 };
  int count = megabytes * 32;
  char **pieces = calloc((size_t)count, sizeof *pieces);
  if (pieces == NULL) return;
  for (int i = 0; i < count; i++) {
    pieces[i] = malloc(PIECE);
    if (pieces[i] != NULL) memset(pieces[i], 1, PIECE);
  }
  char *last = malloc(64); /* above them, so that the heap cannot shrink by itself */
  for (int i = 0; i < count; i++) free(pieces[i]);
  free(pieces);
  if (last != NULL) *(volatile char *)last = 1;
}

static bool command(const char *line, char *reply, size_t size) {
  int number;
  if (sscanf(line, "leak %d", &number) == 1) atomic_store(&leak, number);
  else if (sscanf(line, "hoard %d", &number) == 1) hoard(number);
  else if (strcmp(line, "look") != 0) return false;
  snprintf(reply, size, "\"kept\":%ld", kept);
  return true;
}

int main(int argc, char **argv) {
  target_begin(argc, argv);
  target_on_command(command);
  target_thread(server, NULL);
  return target_serve();
}
