/*
 * Offers strict key exchange to clients (CVE-2023-48795).
 *
 * ADJUSTED: the new version does so in do_ssh2_kex, which is inlined into main. There it hands the name of
 * the extension, behind the configured algorithms, to compat_kex_proposal, which in a server nobody else
 * calls. So it is added here.
 */
#include "taken/compat.c.head"

#include "kex.h"

#include <polus.h>

#define compat_kex_proposal compat_proposal
#include "taken/compat_kex_proposal"
#undef compat_kex_proposal

char *compat_kex_proposal_strict(struct ssh *ssh, char *configured) {
  char *extended = kex_names_cat(configured, "kex-strict-s-v00@openssh.com");
  char *proposal;
  if (extended == NULL) fatal_f("kex_names_cat");
  proposal = compat_proposal(ssh, extended);
  free(extended);
  return proposal;
}
