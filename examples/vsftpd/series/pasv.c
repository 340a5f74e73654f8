/*
 * 0081-pasv-address-ipv6: a configured address is shown as what it is, whatever the session's own address is.
 * Its two static variables are scratch space: the update has its own.
 */
#include "defs.h"
#include "ftpcmdio.h"
#include "ftpcodes.h"
#include "oneprocess.h"
#include "session.h"
#include "str.h"
#include "sysutil.h"
#include "tunables.h"
#include "twoprocess.h"
#include "utility.h"

#include "taken/pasv_cleanup"
#include "taken/port_cleanup"
#define handle_pasv handle_pasv_of_address
#include "taken/handle_pasv"
#undef handle_pasv

/* The definition is static, and has static variables: this is what is seen from outside the patch. */
void show_passive(struct vsf_session *session, int extended) { handle_pasv_of_address(session, extended); }
