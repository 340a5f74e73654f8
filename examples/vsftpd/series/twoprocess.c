/*
 * 0080-pam-exec-hang: the parent of a session took every child that ended for the session.
 *
 * ADJUSTED: vsf_sysutil_wait gets a parameter that says whether to wait. Its old callers do not pass it, and one
 * of them, common_do_login, is blocked inside of it while its session lives. So the old function stays, for those
 * who wait as ever; the new one is the patch's own, for the signal handler.
 */
#include <errno.h>
#include <sys/types.h>
#include <sys/wait.h>

/* As sysutil.c does, which alone looks into this struct. */
#define PRIVATE_HANDS_OFF_syscall_retval syscall_retval
#define PRIVATE_HANDS_OFF_exit_status exit_status
#include "sysutil.h"
#include "utility.h"

#define vsf_sysutil_wait vsf_sysutil_wait_if
#include "taken/vsf_sysutil_wait"

/* Seen from outside the patch, too. */
#define static
#define handle_sigchld handle_sigchld_of_session
#include "taken/handle_sigchld"
