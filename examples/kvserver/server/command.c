#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "glob.h"
#include "stats.h"
#include "table.h"

#define WORDS 4

void reply_add(struct reply *reply, const char *data, size_t length) {
  if (reply->failed) return;
  if (reply->capacity - reply->length < length) {
    size_t capacity = (reply->capacity ? reply->capacity : 1024) * 2;
    while (capacity - reply->length < length) capacity *= 2;
    char *grown = realloc(reply->data, capacity);
    if (!grown) {
      reply->failed = true;
      return;
    }
    reply->data = grown;
    reply->capacity = capacity;
  }
  memcpy(reply->data + reply->length, data, length);
  reply->length += length;
}

__attribute__((format(printf, 2, 3))) static void answer(struct reply *reply, const char *format, ...) {
  char line[VALUE_LIMIT + 64];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length < 0) length = 0;
  if ((size_t)length > sizeof line - 2) length = sizeof line - 2;
  line[length++] = '\n';
  reply_add(reply, line, (size_t)length);
}

static void answer_error(struct reply *reply, const char *text) {
  atomic_fetch_add(&stats.errors, 1);
  answer(reply, "-ERR %s", text);
}

/* Answers for everything but success; true when there was a success to answer for. */
static bool succeeded(struct reply *reply, enum table_result result) {
  switch (result) {
    case TABLE_OK: return true;
    case TABLE_MISSING: answer(reply, "_"); break;
    case TABLE_NOT_A_NUMBER: answer_error(reply, "not a number, or out of range"); break;
    case TABLE_NO_MEMORY: answer_error(reply, "out of memory"); break;
  }
  return false;
}

static bool read_number(const char *word, long *number) {
  char *end;
  errno = 0;
  *number = strtol(word, &end, 10);
  return errno == 0 && end != word && !*end;
}

struct match {
  const char *pattern;
  unsigned long count;
  struct reply *names; /* NULL: only count */
};

static void visit_key(const char *key, void *context) {
  struct match *match = context;
  if (!glob_match(match->pattern, key)) return;
  match->count++;
  if (match->names) answer(match->names, "%s", key);
}

static void do_ping(char **words, int count, struct reply *reply) {
  (void)words, (void)count;
  answer(reply, "+PONG");
}

static void do_get(char **words, int count, struct reply *reply) {
  (void)count;
  char value[VALUE_LIMIT + 1];
  if (succeeded(reply, table_get(words[1], value))) answer(reply, "$%s", value);
}

static void do_set(char **words, int count, struct reply *reply) {
  long ttl = 0;
  if (strlen(words[2]) > VALUE_LIMIT) return answer_error(reply, "value too long");
  if (count > 3 && (!read_number(words[3], &ttl) || ttl < 0)) return answer_error(reply, "bad time");
  if (succeeded(reply, table_set(words[1], words[2], (unsigned long)ttl))) answer(reply, "+OK");
}

static void do_delete(char **words, int count, struct reply *reply) {
  (void)count;
  if (succeeded(reply, table_delete(words[1]))) answer(reply, "+OK");
}

static void do_increment(char **words, int count, struct reply *reply) {
  long by = 1, sum;
  if (count > 2 && !read_number(words[2], &by)) return answer_error(reply, "bad number");
  if (succeeded(reply, table_add(words[1], by, &sum))) answer(reply, ":%ld", sum);
}

static void do_expire(char **words, int count, struct reply *reply) {
  long ttl;
  (void)count;
  if (!read_number(words[2], &ttl) || ttl < 0) return answer_error(reply, "bad time");
  if (succeeded(reply, table_expire(words[1], (unsigned long)ttl))) answer(reply, "+OK");
}

static void do_ttl(char **words, int count, struct reply *reply) {
  long left;
  (void)count;
  if (succeeded(reply, table_ttl(words[1], &left))) answer(reply, ":%ld", left);
}

static void do_count(char **words, int count, struct reply *reply) {
  (void)count;
  struct match match = {.pattern = words[1]};
  table_each(visit_key, &match);
  answer(reply, ":%lu", match.count);
}

static void do_keys(char **words, int count, struct reply *reply) {
  (void)count;
  struct reply names = {0};
  struct match match = {.pattern = words[1], .names = &names};
  table_each(visit_key, &match);
  answer(reply, "*%lu", match.count);
  reply_add(reply, names.data ? names.data : "", names.length);
  reply->failed |= names.failed;
  free(names.data);
}

static void do_stats(char **words, int count, struct reply *reply) {
  (void)words, (void)count;
  char text[512];
  stats_format(text, sizeof text);
  answer(reply, "+keys %zu %s", table_count(), text);
}

static const struct command {
  const char *name;
  int least, most; /* words, the name included */
  void (*run)(char **words, int count, struct reply *reply);
} commands[] = {
    {"GET", 2, 2, do_get},     {"SET", 3, 4, do_set},       {"COUNT", 2, 2, do_count},
    {"DEL", 2, 2, do_delete},  {"INCR", 2, 3, do_increment}, {"EXPIRE", 3, 3, do_expire},
    {"TTL", 2, 2, do_ttl},     {"KEYS", 2, 2, do_keys},     {"STATS", 1, 1, do_stats},
    {"PING", 1, 1, do_ping},
};

bool command_run(char *line, struct reply *reply) {
  char *words[WORDS + 1], *rest = line;
  int count = 0;
  atomic_fetch_add_explicit(&stats.commands, 1, memory_order_relaxed);
  for (char *word; count <= WORDS && (word = strsep(&rest, " \t"));)
    if (*word) words[count++] = word;
  if (count == 0) return answer_error(reply, "empty command"), true;
  if (strcasecmp(words[0], "QUIT") == 0) return answer(reply, "+BYE"), false;
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    if (strcasecmp(words[0], commands[i].name) != 0) continue;
    if (count < commands[i].least || count > commands[i].most)
      answer_error(reply, "wrong number of words");
    else if (count > 1 && strlen(words[1]) > KEY_LIMIT)
      answer_error(reply, "key too long");
    else
      commands[i].run(words, count, reply);
    return true;
  }
  return answer_error(reply, "unknown command"), true;
}
