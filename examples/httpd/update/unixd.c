/* How a child gives up root: one function instead of two that did the same. Children start all the time. */
#include "ap_config.h"
#include "httpd.h"
#include "http_config.h"
#include "http_log.h"
#include "http_main.h"
#include "mpm_common.h"
#include "unixd.h"

#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <polus.h>

extern int set_group_privs(void) POLUS_STATIC(set_group_privs, "mod_unixd.c");

#define ap_unixd_setup_child ap_unixd_setup_child_2_4_68
#include "taken/ap_unixd_setup_child"
#define static
#define unixd_drop_privileges unixd_drop_privileges_2_4_68
#include "taken/unixd_drop_privileges"
