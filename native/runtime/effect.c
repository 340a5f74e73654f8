/* Which instructions store, how much, and what they need (Intel SDM volume 2, appendix A). */
#include "instruction.h"

enum { MODES_UNKNOWN = 0xff };

static unsigned operand_size(const struct instruction *one) { return one->wide ? 8 : one->operand_16 ? 2 : 4; }

static int vector(struct effect *effect, unsigned size) { return effect_vector(effect, size, 0); }

static int media(struct effect *effect, unsigned size) {
  effect->needs |= STORE_X87; /* MMX registers are those of the x87 */
  effect->chosen = 1;
  return effect_operand(effect, size, 0);
}

static int other(struct effect *effect, enum store_form form, unsigned immediate) {
  effect->form = (uint8_t)form;
  effect->immediate = (uint8_t)immediate;
  return 1;
}

static int string(const struct instruction *one, struct effect *effect) {
  effect->form = STORE_STRING;
  effect->size = (uint8_t)(one->opcode & 1 ? operand_size(one) : 1);
  if (one->repeat) effect->needs |= STORE_REPEATED;
  return 1;
}

int polus_effect_bare(const struct instruction *one, struct effect *effect) {
  if (one->encoding != ENCODING_LEGACY) return 0;
  unsigned op = one->opcode;
  if (one->map == MAP_0F) return (op == 0xa0 || op == 0xa8) && other(effect, STORE_CONTROL, 0);
  if (one->map != MAP_ONE) return 0;
  switch (op) {
    case 0x50: case 0x51: case 0x52: case 0x53: case 0x54: case 0x55: case 0x56: case 0x57: /* push register */
    case 0x9c: return other(effect, STORE_CONTROL, 0); /* pushf */
    case 0x68: return other(effect, STORE_CONTROL, operand_size(one) == 2 ? 2 : 4);
    case 0x6a: return other(effect, STORE_CONTROL, 1);
    case 0xe8: return other(effect, STORE_CONTROL, 4);
    case 0xc8: return other(effect, STORE_CONTROL, 3); /* enter */
    case 0x6c: case 0x6d: return other(effect, STORE_UNKNOWN, 0); /* ins */
    case 0xa2: case 0xa3: {
      other(effect, STORE_ABSOLUTE, one->address_32 ? 4 : 8);
      effect->size = (uint8_t)(op & 1 ? operand_size(one) : 1);
      return 1;
    }
    case 0xa4: case 0xa5: case 0xaa: case 0xab: return string(one, effect);
    default: return 0;
  }
}

static int x87(const struct instruction *one, struct effect *effect) {
  static const uint8_t sizes[8][8] = {
      [1] = {[2] = 4, [3] = 4, [6] = MODES_UNKNOWN, [7] = 2},          /* fst, fstp, fnstenv, fnstcw */
      [3] = {[1] = 4, [2] = 4, [3] = 4, [7] = 10},                     /* fisttp, fist, fistp, fstp */
      [5] = {[1] = 8, [2] = 8, [3] = 8, [6] = MODES_UNKNOWN, [7] = 2}, /* fisttp, fst, fstp, fnsave, fnstsw */
      [7] = {[1] = 2, [2] = 2, [3] = 2, [6] = 10, [7] = 8},            /* fisttp, fist, fistp, fbstp, fistp */
  };
  unsigned size = sizes[one->opcode & 7][extension(one)];
  if (!in_memory(one) || size == 0) return 0;
  if (size == MODES_UNKNOWN) return other(effect, STORE_UNKNOWN, 0);
  effect->needs |= STORE_X87;
  return effect_operand(effect, size, 0);
}

static int one_byte(const struct instruction *one, struct effect *effect) {
  unsigned op = one->opcode, which = extension(one), size = op & 1 ? operand_size(one) : 1;
  unsigned immediate = size == 8 ? 4 : size;
  if (op == 0xff && (which == 2 || which == 6 || (which == 3 && in_memory(one)))) {
    return other(effect, STORE_CONTROL, 0); /* call, push */
  }
  if (!in_memory(one)) return 0;
  if (op < 0x38) return (op & 7) < 2 && effect_operand(effect, size, 0); /* add, or, adc, sbb, and, sub, xor */
  if (op >= 0xd8 && op <= 0xdf) return x87(one, effect);
  switch (op) {
    case 0x80: case 0x83: return which != 7 && effect_operand(effect, size, 1);
    case 0x81: return which != 7 && effect_operand(effect, size, immediate);
    case 0x86: case 0x87: case 0x88: case 0x89: return effect_operand(effect, size, 0); /* xchg, mov */
    case 0x8c: return which < 6 && effect_operand(effect, 2, 0); /* mov from a segment register */
    case 0x8f: { /* pop; other extensions are AMD's XOP, which never stores */
      if (which != 0) return 0;
      other(effect, STORE_POP, 0);
      effect->size = operand_size(one) == 2 ? 2 : 8;
      return 1;
    }
    case 0xc0: case 0xc1: return effect_operand(effect, size, 1); /* shifts */
    case 0xd0: case 0xd1: case 0xd2: case 0xd3: return effect_operand(effect, size, 0);
    case 0xc6: case 0xc7: return which == 0 && effect_operand(effect, size, immediate); /* mov */
    case 0xf6: case 0xf7: return (which == 2 || which == 3) && effect_operand(effect, size, 0); /* not, neg */
    case 0xfe: case 0xff: return which < 2 && effect_operand(effect, size, 0); /* inc, dec */
    default: return 0;
  }
}

/* Descriptor tables, saved states, shadow stacks, virtual machines: known to store, left to the slow way. */
static int system_0f(const struct instruction *one, struct effect *effect) {
  unsigned which = extension(one), prefix = one->mandatory;
  int stores = 0;
  switch (one->opcode) {
    case 0x00: stores = in_memory(one) && which < 2; break; /* sldt, str */
    case 0x01:
      /* sgdt, sidt, smsw, rstorssp */
      if (in_memory(one)) stores = which < 2 || which == 4 || (which == 5 && prefix == PREFIX_F3);
      else stores = one->modrm == 0xfc; /* clzero */
      break;
    case 0x1b: stores = in_memory(one) && prefix == PREFIX_66; break; /* bndmov */
    case 0x78: stores = in_memory(one) && prefix == PREFIX_NONE; break; /* vmread */
    case 0xa6: case 0xa7: stores = !in_memory(one) && (one->modrm & 7) == 0; break; /* VIA's PadLock */
    case 0xae: /* fxsave, xsave, xsaveopt, clrssbsy */
      if (prefix == PREFIX_NONE) stores = in_memory(one) && (which == 0 || which == 4 || which == 6);
      else stores = in_memory(one) && prefix == PREFIX_F3 && which == 6;
      break;
    case 0xc7: /* xsavec, xsaves, vmptrst */
      stores = in_memory(one) && prefix == PREFIX_NONE && (which == 4 || which == 5 || which == 7);
      break;
    case 0xf7: stores = !in_memory(one) && prefix <= PREFIX_66; break; /* maskmovq, maskmovdqu */
    default: break;
  }
  return stores && other(effect, STORE_UNKNOWN, 0);
}

static int media_0f(const struct instruction *one, struct effect *effect) {
  unsigned prefix = one->mandatory, scalar = prefix == PREFIX_F3 ? 4 : 8;
  switch (one->opcode) {
    case 0x11: case 0x2b: return vector(effect, prefix >= PREFIX_F3 ? scalar : 16); /* movups, movss, movntps … */
    case 0x13: case 0x17: return prefix <= PREFIX_66 && vector(effect, 8); /* movlps, movhps … */
    case 0x29: return prefix <= PREFIX_66 && vector(effect, 16);
    case 0x7e: { /* movd, movq */
      unsigned size = one->wide ? 8 : 4;
      return prefix == PREFIX_NONE ? media(effect, size) : prefix == PREFIX_66 && vector(effect, size);
    }
    case 0x7f: return prefix == PREFIX_NONE ? media(effect, 8) : prefix != PREFIX_F2 && vector(effect, 16);
    case 0xd6: return prefix == PREFIX_66 && vector(effect, 8);
    case 0xe7: return prefix == PREFIX_NONE ? media(effect, 8) : prefix == PREFIX_66 && vector(effect, 16);
    default: return 0;
  }
}

static int two_bytes(const struct instruction *one, struct effect *effect) {
  unsigned op = one->opcode, which = extension(one), size = operand_size(one);
  if (system_0f(one, effect)) return 1;
  if (!in_memory(one)) return 0;
  if (op >= 0x90 && op <= 0x9f) return effect_operand(effect, 1, 0); /* setcc */
  switch (op) {
    case 0xa4: case 0xac: return effect_operand(effect, size, 1); /* shld, shrd */
    case 0xa5: case 0xad: return effect_operand(effect, size, 0);
    case 0xab: case 0xb3: case 0xbb: /* bts, btr, btc */
      effect->needs |= STORE_BIT;
      return effect_operand(effect, size, 0);
    case 0xba: return which > 4 && effect_operand(effect, size, 1);
    case 0xb0: case 0xc0: return effect_operand(effect, 1, 0); /* cmpxchg, xadd */
    case 0xb1: case 0xc1: return effect_operand(effect, size, 0);
    case 0xae: return which == 3 && one->mandatory == PREFIX_NONE && vector(effect, 4); /* stmxcsr */
    case 0xc3: return one->mandatory == PREFIX_NONE && effect_operand(effect, size, 0); /* movnti */
    case 0xc7: return which == 1 && effect_operand(effect, one->wide ? 16 : 8, 0); /* cmpxchg8b, cmpxchg16b */
    default: return media_0f(one, effect);
  }
}

static int three_bytes_38(const struct instruction *one, struct effect *effect) {
  unsigned prefix = one->mandatory;
  if (!in_memory(one)) return 0;
  switch (one->opcode) {
    case 0xf1: return !one->repeat && effect_operand(effect, operand_size(one), 0); /* movbe */
    case 0xf5: return prefix == PREFIX_66 && other(effect, STORE_UNKNOWN, 0); /* wruss */
    case 0xf6: return prefix == PREFIX_NONE && other(effect, STORE_UNKNOWN, 0); /* wrss */
    case 0xf8: return prefix == PREFIX_66 && other(effect, STORE_UNKNOWN, 0); /* movdir64b */
    case 0xf9: return prefix == PREFIX_NONE && effect_operand(effect, one->wide ? 8 : 4, 0); /* movdiri */
    case 0xfc: return other(effect, STORE_UNKNOWN, 0); /* aadd, aand, aor, axor */
    default: return 0;
  }
}

int polus_effect(const struct instruction *one, struct effect *effect) {
  if (one->encoding != ENCODING_LEGACY) return polus_effect_vector(one, effect);
  switch (one->map) {
    case MAP_ONE: return one_byte(one, effect);
    case MAP_0F: return two_bytes(one, effect);
    case MAP_0F38: return three_bytes_38(one, effect);
    case MAP_0F3A: return polus_effect_extract(one, effect);
    default: return 0;
  }
}
