/*
 * Strict key exchange (CVE-2023-48795), what packet.c has of it: sequence numbers start anew with new keys, and
 * nothing but key exchange is answered while the first one goes on.
 */
#include "taken/packet.c.head"

#include <polus.h>

extern int compress_buffer(struct ssh *, struct sshbuf *, struct sshbuf *) POLUS_STATIC(compress_buffer, "packet.c");
extern int uncompress_buffer(struct ssh *, struct sshbuf *, struct sshbuf *)
    POLUS_STATIC(uncompress_buffer, "packet.c");
extern int ssh_packet_enable_delayed_compress(struct ssh *)
    POLUS_STATIC(ssh_packet_enable_delayed_compress, "packet.c");
extern int ssh_packet_start_discard(struct ssh *, struct sshenc *, struct sshmac *, size_t, u_int)
    POLUS_STATIC(ssh_packet_start_discard, "packet.c");
extern int newkeys_from_blob(struct sshbuf *, struct ssh *, int) POLUS_STATIC(newkeys_from_blob, "packet.c");

#define ssh_packet_send2_wrapped ssh_packet_send2_wrapped_strict
#include "taken/ssh_packet_send2_wrapped"
#undef ssh_packet_send2_wrapped

#include "taken/ssh_packet_read_poll2_mux"
#define ssh_packet_read_poll2 ssh_packet_read_poll2_strict
#include "taken/ssh_packet_read_poll2"
#undef ssh_packet_read_poll2

#define ssh_packet_read_poll_seqnr ssh_packet_read_poll_seqnr_strict
#include "taken/ssh_packet_read_poll_seqnr"
#undef ssh_packet_read_poll_seqnr

/*
 * ADJUSTED: the process that speaks with a client until it is authenticated hands its state to another. In the
 * new version that state has one more word, so that a process from before the update and one from after it would
 * not understand each other, and the client would lose its connection. Here the flag travels in the highest bit
 * of a word that is there already, the kind of key exchange: the old version does not look at it again before
 * it chooses anew.
 */
#define STRICT_IN_KEX_TYPE 0x80000000u

#include "taken/old/kex_to_blob"
static int strict_kex_to_blob(struct sshbuf *m, struct kex *kex) {
  u_int kex_type = kex->kex_type;
  int r;
  if (kex->kex_strict) kex->kex_type |= STRICT_IN_KEX_TYPE;
  r = kex_to_blob(m, kex);
  kex->kex_type = kex_type;
  return r;
}

#include "taken/old/kex_from_blob"
static int strict_kex_from_blob(struct sshbuf *m, struct kex **kexp) {
  int r = kex_from_blob(m, kexp);
  if (r != 0) return r;
  (*kexp)->kex_strict = ((*kexp)->kex_type & STRICT_IN_KEX_TYPE) != 0;
  (*kexp)->kex_type &= ~STRICT_IN_KEX_TYPE;
  return 0;
}

#include "taken/newkeys_to_blob"
#define kex_to_blob strict_kex_to_blob
#define ssh_packet_get_state ssh_packet_get_state_strict
#include "taken/ssh_packet_get_state"
#undef ssh_packet_get_state

#include "taken/ssh_packet_set_postauth"
#define kex_from_blob strict_kex_from_blob
#define ssh_packet_set_state ssh_packet_set_state_strict
#include "taken/ssh_packet_set_state"
#undef ssh_packet_set_state
