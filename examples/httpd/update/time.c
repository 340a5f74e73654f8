/* Times in the error log, with milliseconds if so wished. */
#include "taken/util_time.c.head"

#define ap_recent_ctime_ex ap_recent_ctime_ex_2_4_68
#include "taken/ap_recent_ctime_ex"
