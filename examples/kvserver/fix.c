/*
 * The fix of glob_match: a class such as `[0-9]` left its last character out.
 *
 * Everything else is the running program's own: its folding table (a static of glob.c, filled at start-up
 * by the options of that run) and its counters.
 */
#include "glob.h"

#include <stddef.h>

#include <polus.h>

#include "stats.h"

extern unsigned char folded[256] POLUS_STATIC(folded, "glob.c");
extern struct stats stats POLUS_GLOBAL(stats);

/* Looks `c` up in the class that starts after `[`; moves `*pattern` behind the class. */
static bool in_class(const char **pattern, unsigned char c) {
  const char *p = *pattern;
  bool negated = *p == '^';
  bool found = false;
  if (negated) p++;
  do {
    if (*p == '\\' && p[1]) p++;
    if (!*p) break;
    unsigned char low = folded[(unsigned char)*p++];
    if (*p == '-' && p[1] && p[1] != ']') {
      unsigned char high = folded[(unsigned char)p[1]];
      p += 2;
      if (c >= low && c <= high) found = true;
    } else if (c == low) {
      found = true;
    }
  } while (*p && *p != ']');
  if (*p == ']') p++;
  *pattern = p;
  return found != negated;
}

bool glob_match(const char *pattern, const char *text) {
  const char *star = NULL, *retry = NULL;
  unsigned long steps = 0;
  bool result = true;
  for (;;) {
    const char *next = pattern;
    bool fits = false;
    steps++;
    if (*pattern == '*') {
      star = ++pattern;
      retry = text;
      continue;
    }
    if (!*text) {
      result = !*pattern;
      break;
    }
    unsigned char c = folded[(unsigned char)*text];
    if (*next == '?') {
      next++;
      fits = true;
    } else if (*next == '[') {
      next++;
      fits = in_class(&next, c);
    } else if (*next) {
      if (*next == '\\' && next[1]) next++;
      fits = folded[(unsigned char)*next++] == c;
    }
    if (fits) {
      pattern = next;
      text++;
    } else if (star) {
      pattern = star;
      text = ++retry;
    } else {
      result = false;
      break;
    }
  }
  atomic_fetch_add_explicit(&stats.comparisons, steps, memory_order_relaxed);
  return result;
}
