/*
 * Compares the matcher of examples/vsftpd/update.c with a plain recursive one, on many small random
 * patterns and names, and checks that its work is bounded. Linked with vsftpd's own string functions.
 * Prints what differs; exit code 0 when nothing does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "defs.h"
#include "ls.h"
#include "str.h"

#define CASES 400000

static int wildcards(const char *pattern, const char *text) {
  if (!*pattern) return !*text;
  if (*pattern == '*') return wildcards(pattern + 1, text) || (*text && wildcards(pattern, text + 1));
  return *text && (*pattern == '?' || *pattern == *text) && wildcards(pattern + 1, text + 1);
}

static int expected(const char *pattern, const char *text) {
  const char *open = strchr(pattern, '{'), *close = open ? strchr(open, '}') : NULL;
  if (!close) return wildcards(pattern, text);
  for (const char *from = open + 1; from < close;) {
    char whole[64];
    const char *end = memchr(from, ',', (size_t)(close - from));
    if (!end) end = close;
    if (end == from) break;
    snprintf(whole, sizeof whole, "%.*s%.*s%s", (int)(open - pattern), pattern, (int)(end - from), from,
             close + 1);
    if (expected(whole, text)) return 1;
    from = end + 1;
  }
  return 0;
}

static void random_text(char *out, int most, const char *letters) {
  int length = rand() % (most + 1);
  for (int i = 0; i < length; i++) out[i] = letters[(size_t)rand() % strlen(letters)];
  out[length] = '\0';
}

static int matches(const char *pattern, const char *text, unsigned int *steps) {
  struct mystr name = INIT_MYSTR, filter = INIT_MYSTR;
  str_alloc_text(&name, text);
  str_alloc_text(&filter, pattern);
  *steps = 0;
  int found = vsf_filename_passes_filter(&name, &filter, steps);
  str_free(&name);
  str_free(&filter);
  return found;
}

int main(void) {
  char pattern[16], text[16], stars[2001], name[256];
  unsigned int steps;
  long found = 0, wrong = 0;
  srand(1);
  for (long i = 0; i < CASES; i++) {
    random_text(pattern, 10, "ab*?{},*");
    random_text(text, 8, "aab{,");
    int want = expected(pattern, text);
    found += want;
    if (matches(pattern, text, &steps) != want && wrong++ < 10)
      printf("pattern \"%s\", name \"%s\": should be %d\n", pattern, text, want);
  }
  if (found < CASES / 100) printf("only %ld of the cases match: they prove little\n", found), wrong++;

  memset(name, 'a', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  for (int i = 0; i < 2000; i++) stars[i] = i % 2 ? 'a' : '*';
  stars[2000] = '\0';
  const char *costly[] = {stars, "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}z"};
  for (int i = 0; i < 2; i++)
    if (matches(costly[i], name, &steps) || steps > VSFTP_MATCHITERS_MAX)
      printf("costly pattern %d: matches, or took %u steps\n", i, steps), wrong++;
  return wrong != 0;
}
