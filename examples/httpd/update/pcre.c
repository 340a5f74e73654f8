/* Numbers of named groups in a regular expression: beyond 127 they came out wrong. */
#include "httpd.h"
#include "apr_strings.h"
#include "apr_tables.h"

#ifdef HAVE_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include "pcre2.h"
#else
#include "pcre.h"
#endif

#define ap_regname ap_regname_2_4_68
#include "taken/ap_regname"
