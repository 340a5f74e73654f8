/* CVE-2026-35414: principals of a certificate were compared as if each were a list. */
#include "taken/auth2-pubkeyfile.c.head"

#include <polus.h>

#include "taken/match_principals_option"
#define auth_check_authkey_line auth_check_authkey_line_exact
#include "taken/auth_check_authkey_line"
#undef auth_check_authkey_line
