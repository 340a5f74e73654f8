/* Takes an instruction apart and makes the copy that runs elsewhere (Intel SDM volume 2, chapter 2). */
#include "instruction.h"

enum { LONGEST = 15 };

static uint8_t take(struct instruction *one) {
  if (one->at < one->available) return one->code[one->at++];
  one->truncated = 1;
  return 0;
}

static int64_t take_signed(struct instruction *one, unsigned size) {
  uint64_t value = 0;
  for (unsigned i = 0; i < size; i++) value |= (uint64_t)take(one) << (8 * i);
  return size == 1 ? (int8_t)value : size == 4 ? (int32_t)value : (int64_t)value;
}

/* Legacy prefixes. Those of segments that 64-bit mode ignores do not cancel an earlier fs or gs. */
static uint8_t prefixes(struct instruction *one) {
  for (;;) {
    uint8_t byte = take(one);
    switch (byte) {
      case 0x26: case 0x2e: case 0x36: case 0x3e: break;
      case 0x64: one->segment = SEGMENT_FS; break;
      case 0x65: one->segment = SEGMENT_GS; break;
      case 0x66: one->operand_16 = 1; break;
      case 0x67: one->address_32 = 1; break;
      case 0xf0: one->lock = 1; break;
      case 0xf2: case 0xf3: one->repeat = byte; break;
      default: {
        if ((byte & 0xf0) != 0x40) {
          one->head = (uint8_t)(one->at - 1 - (one->rex ? 1 : 0));
          return byte;
        }
        one->rex = byte;
        continue;
      }
    }
    one->rex = 0; /* a REX prefix counts only right before the opcode */
  }
}

static void extend(struct instruction *one, unsigned w, unsigned r, unsigned x, unsigned b) {
  one->wide = w != 0;
  one->extend_reg = r ? 8 : 0;
  one->extend_index = x ? 8 : 0;
  one->extend_base = b ? 8 : 0;
}

static void take_vex(struct instruction *one, uint8_t first) {
  uint8_t byte = take(one), last = byte;
  one->encoding = ENCODING_VEX;
  one->map = MAP_0F;
  if (first == 0xc4) {
    last = take(one);
    one->map = byte & 31;
    extend(one, last & 0x80, !(byte & 0x80), !(byte & 0x40), !(byte & 0x20));
  } else {
    extend(one, 0, !(byte & 0x80), 0, 0);
  }
  one->mandatory = last & 3;
  one->vector = last & 4 ? 32 : 16;
  one->opcode = take(one);
}

static void take_evex(struct instruction *one) {
  uint8_t first = take(one), second = take(one), third = take(one);
  one->encoding = ENCODING_EVEX;
  extend(one, second & 0x80, !(first & 0x80), !(first & 0x40), !(first & 0x20));
  one->map = first & 7;
  one->mandatory = second & 3;
  one->masked = (third & 7) != 0;
  /* Reserved bits, broadcasting, or zeroing what is stored: no instruction that stores has them. */
  int invalid = (first & 8) != 0 || !(second & 4) || (third & 0x90) != 0 || (third & 0x60) == 0x60;
  one->vector = invalid ? 0 : (uint8_t)(16 << ((third >> 5) & 3));
  one->opcode = take(one);
}

static void take_legacy(struct instruction *one, uint8_t byte) {
  one->opcode = byte;
  if (one->rex) extend(one, one->rex & 8, one->rex & 4, one->rex & 2, one->rex & 1);
  if (byte != 0x0f) return;
  one->map = MAP_0F;
  one->opcode = take(one);
  if (one->repeat) one->mandatory = one->repeat == 0xf3 ? PREFIX_F3 : PREFIX_F2;
  else one->mandatory = one->operand_16 ? PREFIX_66 : PREFIX_NONE;
  if (one->opcode != 0x38 && one->opcode != 0x3a) return;
  one->map = one->opcode == 0x38 ? MAP_0F38 : MAP_0F3A;
  one->opcode = take(one);
}

/* The memory operand behind the ModRM byte: SIB and displacement. */
static void take_operand(struct instruction *one, const struct effect *effect, struct store *store) {
  unsigned mod = one->modrm >> 6, rm = one->modrm & 7;
  if (mod == 3) return;
  store->base = (uint8_t)(rm | one->extend_base);
  if (rm == 4) {
    uint8_t sib = take(one);
    uint8_t index = (uint8_t)(((sib >> 3) & 7) | one->extend_index);
    if (index != 4) {
      store->index = index;
      store->scale = (uint8_t)(1 << (sib >> 6));
    }
    store->base = (uint8_t)((sib & 7) | one->extend_base);
    if (mod == 0 && (sib & 7) == 5) {
      store->base = NO_REGISTER;
      store->displacement = take_signed(one, 4);
    }
  } else if (mod == 0 && rm == 5) {
    store->base = 16;
    store->displacement = take_signed(one, 4);
  }
  if (mod == 2) store->displacement = take_signed(one, 4);
  if (mod == 1) {
    int64_t unit = one->encoding != ENCODING_EVEX ? 1 : effect->unit ? effect->unit : effect->size;
    store->displacement = take_signed(one, 1) * unit;
  }
}

/*
 * The same instruction with a rip-relative operand. Prefixes that mean nothing here are left out: those of
 * address and segment, whose work is done, and repetition where it is only a hint (xacquire, xrelease).
 */
static int make_copy(const struct instruction *one, const struct effect *effect, struct store *store) {
  uint8_t *copy = store->copy;
  unsigned size = 0, last = one->modrm_at;
  if (one->lock) copy[size++] = 0xf0;
  if (one->operand_16) copy[size++] = 0x66;
  if (one->repeat && effect->chosen) copy[size++] = one->repeat;
  if (size + (last - one->head) + 1u + 4 + effect->immediate > LONGEST) return 0;
  unsigned start = size;
  for (unsigned i = one->head; i < last; i++) copy[size++] = one->code[i];
  if (one->encoding == ENCODING_LEGACY && one->rex) copy[start] &= 0xfc;
  if (one->encoding == ENCODING_EVEX || copy[start] == 0xc4) copy[start + 1] |= 0x60; /* inverted X and B */
  copy[size++] = (uint8_t)((one->modrm & 0x38) | 5);
  store->copy_displacement = (uint8_t)size;
  size += 4; /* zero: to be filled in */
  for (unsigned i = 0; i < effect->immediate; i++) copy[size++] = one->code[one->at - effect->immediate + i];
  store->copy_length = (uint8_t)size;
  return 1;
}

static int refused_lock(const struct instruction *one) {
  return one->lock && (one->encoding != ENCODING_LEGACY || one->map > MAP_0F);
}

static int decode(struct instruction *one, struct effect *effect, struct store *store) {
  uint8_t byte = prefixes(one);
  int plain = !one->rex && !one->operand_16 && !one->repeat && !one->lock;
  if (byte == 0xc4 || byte == 0xc5) take_vex(one, byte);
  else if (byte == 0x62) take_evex(one);
  else take_legacy(one, byte);
  if ((one->encoding != ENCODING_LEGACY && !plain) || refused_lock(one) || one->truncated) return 0;
  if (polus_effect_bare(one, effect)) {
    if (effect->form == STORE_ABSOLUTE) {
      store->displacement = take_signed(one, effect->immediate);
      if (one->address_32) store->displacement = (uint32_t)store->displacement;
    } else {
      one->at += effect->immediate;
    }
  } else {
    one->modrm_at = (uint8_t)one->at;
    one->modrm = take(one);
    if (one->truncated || !polus_effect(one, effect)) return 0;
    take_operand(one, effect, store);
    one->at += effect->immediate;
  }
  if (one->at > one->available) one->truncated = 1;
  return !one->truncated;
}

int polus_decode(const uint8_t *code, size_t available, struct store *result) {
  struct instruction one = {.code = code, .available = available < LONGEST ? available : LONGEST};
  struct effect effect = {0};
  struct store store = {.base = NO_REGISTER, .index = NO_REGISTER, .scale = 1};
  int stores = decode(&one, &effect, &store);
  if (stores) {
    store.form = effect.form;
    store.needs = effect.needs | (one.address_32 ? STORE_ADDRESS_32 : 0);
    store.length = (uint8_t)one.at;
    store.size = effect.size;
    store.segment = one.segment;
    if (effect.form == STORE_STRING) store.string = one.opcode;
    if (effect.needs & STORE_BIT) store.bit_register = (uint8_t)(((one.modrm >> 3) & 7) | one.extend_reg);
    if (effect.form == STORE_MODRM && !make_copy(&one, &effect, &store)) store.form = STORE_UNKNOWN;
    *result = store;
  } else {
    *result = (struct store){.base = NO_REGISTER, .index = NO_REGISTER, .scale = 1};
  }
  return stores;
}
