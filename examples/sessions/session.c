/* Where sessions come from. */
#include "server.h"

#include <stdlib.h>
#include <string.h>

struct session *session_new(const char *name) {
  static unsigned last;
  struct session *session = calloc(1, sizeof *session);
  if (session == NULL) return NULL;
  session->id = ++last;
  strncpy(session->name, name, sizeof session->name - 1);
  return session;
}

void session_free(struct session *session) { free(session); }
