/* Patterns over keys: `*`, `?`, `[a-z]`, `[^a-z]`, and `\` before a character that is meant as it is. */
#ifndef GLOB_H
#define GLOB_H

#include <stdbool.h>

/* Must be called once, before any worker runs. */
void glob_init(bool ignore_case);

/* Whether the whole of `text` fits `pattern`. Safe from any thread. */
bool glob_match(const char *pattern, const char *text);

#endif
