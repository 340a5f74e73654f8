/* Which VEX and EVEX instructions store. What the encoding forbids is not looked at: such bytes never run. */
#include "instruction.h"

static int unknown(struct effect *effect) {
  effect->form = STORE_UNKNOWN;
  return 1;
}

static int gated(struct effect *effect, unsigned size) {
  effect->needs |= STORE_GATES;
  return effect_vector(effect, size, 0);
}

int polus_effect_extract(const struct instruction *one, struct effect *effect) {
  if (one->mandatory != PREFIX_66 || !in_memory(one)) return 0;
  switch (one->opcode) {
    case 0x14: return effect_vector(effect, 1, 1);
    case 0x15: return effect_vector(effect, 2, 1);
    case 0x16: return effect_vector(effect, one->wide ? 8 : 4, 1);
    case 0x17: return effect_vector(effect, 4, 1);
    default: return 0;
  }
}

/* Opcodes of map 0F that mean the same in both encodings. */
static int moves(const struct instruction *one, struct effect *effect) {
  unsigned prefix = one->mandatory, whole = one->vector;
  switch (one->opcode) {
    case 0x11: return effect_vector(effect, prefix == PREFIX_F3 ? 4 : prefix == PREFIX_F2 ? 8 : whole, 0);
    case 0x13: case 0x17: return prefix <= PREFIX_66 && effect_vector(effect, 8, 0);
    case 0x29: case 0x2b: return prefix <= PREFIX_66 && effect_vector(effect, whole, 0);
    case 0x7e: return prefix == PREFIX_66 && effect_vector(effect, one->wide ? 8 : 4, 0);
    case 0x7f: return prefix != PREFIX_NONE && effect_vector(effect, whole, 0);
    case 0xd6: return prefix == PREFIX_66 && effect_vector(effect, 8, 0);
    case 0xe7: return prefix == PREFIX_66 && effect_vector(effect, whole, 0);
    default: return 0;
  }
}

static int mask_move(const struct instruction *one, struct effect *effect) {
  switch (one->mandatory) { /* kmovw and kmovq, kmovb and kmovd */
    case PREFIX_NONE: return effect_vector(effect, one->wide ? 8 : 2, 0);
    case PREFIX_66: return effect_vector(effect, one->wide ? 4 : 1, 0);
    default: return 0;
  }
}

static int vex_0f38(const struct instruction *one, struct effect *effect) {
  unsigned op = one->opcode, prefix = one->mandatory;
  if (!in_memory(one)) return 0;
  if (op >= 0xe0 && op <= 0xef) return prefix == PREFIX_66 && unknown(effect); /* cmpccxadd */
  switch (op) {
    case 0x2e: case 0x2f: case 0x8e: return prefix == PREFIX_66 && gated(effect, one->vector); /* vmaskmov, vpmaskmov */
    case 0x49: return prefix == PREFIX_66 && unknown(effect); /* sttilecfg */
    case 0x4b: return prefix == PREFIX_F3 && unknown(effect); /* tilestored */
    default: return 0;
  }
}

static int vex(const struct instruction *one, struct effect *effect) {
  unsigned prefix = one->mandatory;
  switch (one->map) {
    case MAP_0F:
      if (one->opcode == 0xf7) return !in_memory(one) && prefix == PREFIX_66 && unknown(effect); /* vmaskmovdqu */
      if (!in_memory(one)) return 0;
      if (one->opcode == 0x91) return mask_move(one, effect);
      if (one->opcode == 0xae) { /* vstmxcsr */
        return extension(one) == 3 && prefix == PREFIX_NONE && effect_vector(effect, 4, 0);
      }
      return moves(one, effect);
    case MAP_0F38: return vex_0f38(one, effect);
    case MAP_0F3A:
      if (prefix != PREFIX_66 || !in_memory(one)) return 0;
      switch (one->opcode) {
        case 0x19: case 0x39: return effect_vector(effect, 16, 1); /* vextractf128, vextracti128 */
        case 0x1d: return effect_vector(effect, one->vector / 2, 1); /* vcvtps2ph */
        default: return polus_effect_extract(one, effect);
      }
    default: return 0;
  }
}

static int evex_0f38(const struct instruction *one, struct effect *effect) {
  static const uint8_t parts[6] = {2, 4, 8, 2, 4, 2}; /* bytes to bytes: wb, db, qb, dw, qw, qd */
  unsigned op = one->opcode, kind = op & 0xf;
  if (one->mandatory == PREFIX_F3 && op >= 0x10 && op < 0x40 && kind < 6) {
    return effect_vector(effect, one->vector / parts[kind], 0); /* vpmovus, vpmovs, vpmov */
  }
  if (one->mandatory != PREFIX_66) return 0;
  switch (op) {
    case 0x63: effect->unit = one->wide ? 2 : 1; break; /* vpcompressb, vpcompressw */
    case 0x8a: case 0x8b: effect->unit = one->wide ? 8 : 4; break; /* vcompress, vpcompress */
    case 0xa0: case 0xa1: case 0xa2: case 0xa3: return unknown(effect); /* scatters */
    default: return 0;
  }
  return gated(effect, one->vector);
}

static int evex_0f3a(const struct instruction *one, struct effect *effect) {
  if (one->mandatory != PREFIX_66) return 0;
  switch (one->opcode) {
    case 0x19: case 0x39: return effect_vector(effect, 16, 1); /* vextractf32x4 … */
    case 0x1b: case 0x3b: return effect_vector(effect, 32, 1); /* vextractf32x8 … */
    case 0x1d: return effect_vector(effect, one->vector / 2, 1); /* vcvtps2ph */
    default: return polus_effect_extract(one, effect);
  }
}

static int evex(const struct instruction *one, struct effect *effect) {
  if (!in_memory(one)) return 0;
  switch (one->map) {
    case MAP_0F: return moves(one, effect);
    case MAP_0F38: return evex_0f38(one, effect);
    case MAP_0F3A: return evex_0f3a(one, effect);
    case MAP_FP16: /* vmovsh, vmovw */
      return one->opcode == (one->mandatory == PREFIX_F3 ? 0x11 : 0x7e) &&
             (one->mandatory == PREFIX_F3 || one->mandatory == PREFIX_66) && effect_vector(effect, 2, 0);
    default: return 0;
  }
}

int polus_effect_vector(const struct instruction *one, struct effect *effect) {
  if (one->vector == 0) return 0;
  int stores = one->encoding == ENCODING_VEX ? vex(one, effect) : evex(one, effect);
  if (stores && one->masked) effect->needs |= STORE_GATES;
  return stores;
}
