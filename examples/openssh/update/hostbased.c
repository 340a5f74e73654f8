/* CVE-2026-35387, for the keys of client machines. */
#include "taken/auth2-hostbased.c.head"

#include <polus.h>

/* Seen from outside the patch, too. */
#define static
#define userauth_hostbased userauth_hostbased_of_curve
#include "taken/userauth_hostbased"
#undef userauth_hostbased
#undef static
