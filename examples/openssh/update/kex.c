/*
 * Strict key exchange (CVE-2023-48795), what kex.c has of it. taken/ holds definitions of the new version,
 * which the build takes from its sources.
 */
#include "taken/kex.c.head"

#include <polus.h>

/* The program's own function, wherever one of these names is used as a value: it ends up in dispatch tables,
   which must stay right when the update is taken back. */
#define kex_protocol_error kex_protocol_error_strict
#include "taken/kex_protocol_error"
#undef kex_protocol_error
#define kex_input_ext_info kex_input_ext_info_bounded
#include "taken/kex_input_ext_info"
#undef kex_input_ext_info

#include "taken/has_any_alg"
#include "taken/choose_enc"
#include "taken/choose_mac"
#include "taken/choose_comp"
#include "taken/kex_alg_by_name"
#include "taken/choose_kex"
#include "taken/choose_hostkeyalg"
#include "taken/proposals_match"

/*
 * ADJUSTED: a connection whose server side has sent its proposal before the update has not offered strict key
 * exchange, so that the client will not do it, whatever it has offered itself. The new version always has.
 */
static int has_offered_strict(struct kex *kex) {
  char **mine = NULL;
  int offered;
  if (kex_buf2prop(kex->my, NULL, &mine) != 0) return 0;
  offered = has_any_alg(mine[PROPOSAL_KEX_ALGS],
                        kex->server ? "kex-strict-s-v00@openssh.com" : "kex-strict-c-v00@openssh.com");
  kex_prop_free(mine);
  return offered;
}

#define kexalgs_contains(peer, name) (has_any_alg((peer)[PROPOSAL_KEX_ALGS], (name)) && \
                                      (strncmp((name), "kex-strict-", 11) != 0 || has_offered_strict(kex)))
#include "taken/kex_choose_conf"
#undef kexalgs_contains

#define kex_input_kexinit kex_input_kexinit_strict
#include "taken/kex_input_kexinit"
#undef kex_input_kexinit
