/* One x86-64 instruction taken apart, and what it does to memory. Internal to the decoder. */
#ifndef POLUS_INSTRUCTION_H
#define POLUS_INSTRUCTION_H

#include "decode.h"

enum encoding { ENCODING_LEGACY, ENCODING_VEX, ENCODING_EVEX };
enum opcode_map { MAP_ONE = 0, MAP_0F = 1, MAP_0F38 = 2, MAP_0F3A = 3, MAP_FP16 = 5 };
/** What selects among instructions of one opcode, numbered as the pp field of VEX and EVEX. */
enum mandatory { PREFIX_NONE = 0, PREFIX_66 = 1, PREFIX_F3 = 2, PREFIX_F2 = 3 };

struct instruction {
  const uint8_t *code;
  size_t available; /* of `code`, at most 15 */
  size_t at;        /* what comes next */
  uint8_t truncated; /* more was asked for than is available */
  uint8_t encoding, map, opcode, mandatory;
  uint8_t operand_16, address_32, lock, repeat, segment; /* legacy prefixes; `repeat` is 0, 0xf2 or 0xf3 */
  uint8_t rex;       /* legacy encoding: the prefix, or 0 */
  uint8_t wide;      /* W of any encoding */
  uint8_t extend_base, extend_index, extend_reg; /* 0 or 8 */
  uint8_t vector;    /* VEX, EVEX: bytes of the vector: 16, 32 or 64; 0 if the encoding is invalid */
  uint8_t masked;    /* EVEX: a mask register other than k0 */
  uint8_t head;      /* where the VEX or EVEX prefix, REX, or the opcode starts: behind the legacy prefixes */
  uint8_t modrm_at;  /* where the ModRM byte lies, 0 if there is none */
  uint8_t modrm;
};

/** What an instruction does to memory, as far as its prefixes, opcode and ModRM byte tell. */
struct effect {
  uint8_t form, needs, size;
  uint8_t immediate; /* bytes of it */
  uint8_t unit;      /* EVEX: what an 8-bit displacement counts in; 0: `size` */
  uint8_t chosen;    /* the mandatory prefix chooses the instruction: it belongs into the copy */
};

static inline int effect_operand(struct effect *effect, unsigned size, unsigned immediate) {
  effect->form = STORE_MODRM;
  effect->size = (uint8_t)size;
  effect->immediate = (uint8_t)immediate;
  return 1;
}

static inline int effect_vector(struct effect *effect, unsigned size, unsigned immediate) {
  effect->needs |= STORE_VECTOR;
  effect->chosen = 1;
  return effect_operand(effect, size, immediate);
}

static inline int in_memory(const struct instruction *one) { return one->modrm < 0xc0; }
static inline unsigned extension(const struct instruction *one) { return (one->modrm >> 3) & 7; }

/** 1 if the instruction stores, 0 if not. Needs no more than what comes before SIB and displacement. */
int polus_effect(const struct instruction *one, struct effect *effect);

/** 1 for opcodes without a ModRM byte that store: `effect` is set. Called before ModRM is looked at. */
int polus_effect_bare(const struct instruction *one, struct effect *effect);

/** The part of `polus_effect` for VEX and EVEX. */
int polus_effect_vector(const struct instruction *one, struct effect *effect);

/** pextrb, pextrw, pextrd, pextrq, extractps: the same opcodes of map 0F3A in all encodings. */
int polus_effect_extract(const struct instruction *one, struct effect *effect);

#endif
