/* New versions for statics.c and statics_other.c; every datum is the program's own. */
#include <stddef.h>
#include <stdio.h>

/* The number that the compiler gave to the static local is passed by the build. */
#ifndef LAST_TICKET_LABEL
#define LAST_TICKET_LABEL "last_ticket.0$statics.c"
#endif

extern long factor_here __asm__("factor$statics.c");
extern long factor_there __asm__("factor$statics_other.c");
extern long program_limit __asm__("unique_limit$");
extern const char program_banner[] __asm__("banner$statics.c");
extern const char *const program_words[] __asm__("words$statics.c");
extern long program_last_ticket __asm__(LAST_TICKET_LABEL);

long scale_here_new(long value) { return value * factor_here + 1; }
long scale_there_new(long value) { return value * factor_there + 1; }

long next_ticket(void) {
  return __atomic_add_fetch(&program_last_ticket, 1, __ATOMIC_SEQ_CST) + (1L << 40);
}

void greet(long which, char *text, size_t size) {
  snprintf(text, size, "(limit %ld) %s: %s", program_limit, program_banner,
           program_words[which & 3]);
}
