/* Server-side includes: where a condition is faulty, neither of its branches is shown any more. */
#include "taken/mod_include.c.head"

#include <polus.h>

/* Of the program, or of mod_include.so where modules are shared objects. */
extern module include_module;
extern void ap_ssi_get_tag_and_value(include_ctx_t *, char **, char **, int)
    POLUS_STATIC(ap_ssi_get_tag_and_value, "mod_include.c");
extern int parse_expr(include_ctx_t *, const char *, int *) POLUS_STATIC(parse_expr, "mod_include.c");
extern int parse_ap_expr(include_ctx_t *, const char *, int *) POLUS_STATIC(parse_ap_expr, "mod_include.c");

/* Seen from outside the patch, too. */
#define static
#define handle_if handle_if_2_4_68
#define handle_elif handle_elif_2_4_68
#define handle_else handle_else_2_4_68
#define handle_endif handle_endif_2_4_68
#include "taken/handle_if"
#include "taken/handle_elif"
#include "taken/handle_else"
#include "taken/handle_endif"
