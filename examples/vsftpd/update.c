/*
 * A matcher of file name patterns for vsftpd that misses no match.
 *
 * The one in ls.c of 3.0.5 takes the first place where the text between two wildcards fits and never looks
 * further, so `*.key` does not match `server.key.key`: listings lack files, and `deny_file` and `hide_file`
 * let through what they should hold back (Debian's patch 0006-greedy is about the same fault). This one
 * goes on to later places. It keeps the contract of the old: `*`, `?`, and `{one,other}`, a brace without
 * its end meaning itself, an empty alternative ending its list, and no more than VSFTP_MATCHITERS_MAX steps.
 */
#include "defs.h"
#include "ls.h"
#include "str.h"

#include <polus.h>

/* The strings are the running program's, allocated and freed by its own functions. */
extern void str_free(struct mystr *) POLUS_GLOBAL(str_free);
extern unsigned int str_getlen(const struct mystr *) POLUS_GLOBAL(str_getlen);
extern const char *str_getbuf(const struct mystr *) POLUS_GLOBAL(str_getbuf);
extern int str_isempty(const struct mystr *) POLUS_GLOBAL(str_isempty);
extern void str_left(const struct mystr *, struct mystr *, unsigned int) POLUS_GLOBAL(str_left);
extern void str_mid_to_end(const struct mystr *, struct mystr *, unsigned int) POLUS_GLOBAL(str_mid_to_end);
extern void str_append_str(struct mystr *, const struct mystr *) POLUS_GLOBAL(str_append_str);
extern void str_split_char(struct mystr *, struct mystr *, char) POLUS_GLOBAL(str_split_char);
extern struct str_locate_result str_locate_char(const struct mystr *, char) POLUS_GLOBAL(str_locate_char);

static int passes(const struct mystr *name, const struct mystr *filter, unsigned int *steps);

/* Only `*` and `?` are special here. */
static int passes_wildcards(const struct mystr *name, const struct mystr *filter, unsigned int *steps) {
  const char *text = str_getbuf(name), *pattern = str_getbuf(filter);
  unsigned int text_length = str_getlen(name), pattern_length = str_getlen(filter);
  unsigned int at = 0, in = 0;
  unsigned int star = pattern_length, retry = 0; /* where to go on when the last `*` takes one more */
  unsigned int work = 0;
  while (at < text_length || in < pattern_length) {
    /* Names and patterns of ordinary length cost no step here, so that only braces use the bound up. */
    if (++work % 256 == 0 && ++*steps >= VSFTP_MATCHITERS_MAX) return 0;
    if (in < pattern_length && pattern[in] == '*') {
      star = in++;
      retry = at;
    } else if (at < text_length && in < pattern_length && (pattern[in] == '?' || pattern[in] == text[at])) {
      at++;
      in++;
    } else if (star < pattern_length && retry < text_length) {
      at = ++retry;
      in = star + 1;
    } else {
      return 0;
    }
  }
  return 1;
}

/* Tries each alternative of the brace at `open` in the filter, whose end is `list` long after it. */
static int passes_braces(const struct mystr *name, const struct mystr *filter, unsigned int open,
                         unsigned int list, unsigned int *steps) {
  struct mystr after = INIT_MYSTR, alternative = INIT_MYSTR, others = INIT_MYSTR, whole = INIT_MYSTR;
  int found = 0;
  str_mid_to_end(filter, &after, open + 1);
  str_left(&after, &alternative, list);
  str_mid_to_end(filter, &after, open + 1 + list + 1);
  str_split_char(&alternative, &others, ',');
  while (!found && !str_isempty(&alternative) && *steps < VSFTP_MATCHITERS_MAX) {
    str_left(filter, &whole, open);
    str_append_str(&whole, &alternative);
    str_append_str(&whole, &after);
    found = passes(name, &whole, steps);
    str_left(&others, &alternative, str_getlen(&others));
    str_split_char(&alternative, &others, ',');
  }
  str_free(&after);
  str_free(&alternative);
  str_free(&others);
  str_free(&whole);
  return found;
}

static int passes(const struct mystr *name, const struct mystr *filter, unsigned int *steps) {
  struct str_locate_result open = str_locate_char(filter, '{');
  if (++*steps >= VSFTP_MATCHITERS_MAX) return 0;
  if (open.found) {
    struct mystr rest = INIT_MYSTR;
    struct str_locate_result end;
    str_mid_to_end(filter, &rest, open.index);
    end = str_locate_char(&rest, '}');
    str_free(&rest);
    if (end.found) return passes_braces(name, filter, open.index, end.index - 1, steps);
  }
  return passes_wildcards(name, filter, steps);
}

int vsf_filename_passes_filter(const struct mystr *p_filename_str, const struct mystr *p_filter_str,
                               unsigned int *iters) {
  return passes(p_filename_str, p_filter_str, iters);
}
