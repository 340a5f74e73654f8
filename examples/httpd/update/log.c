/* Times in the error log, with milliseconds if so wished. */
#include "taken/log.c.head"

/* Seen from outside the patch, too. */
#define static
#define log_ctime log_ctime_2_4_68
#include "taken/log_ctime"
