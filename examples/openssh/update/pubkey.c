/* CVE-2026-35387: an allowlist that names one ECDSA curve allowed keys of every curve. */
#include "taken/auth2-pubkey.c.head"

#include <polus.h>

#include "taken/format_key"

/* Seen from outside the patch, too. */
#define static
#define userauth_pubkey userauth_pubkey_of_curve
#include "taken/userauth_pubkey"
#undef userauth_pubkey
#undef static
