/*
 * Compares polus_decode with Zydis: `decode_check FILE…` on the executable segments of ELF files, and
 * `decode_check random COUNT SEED` on random bytes. Each instruction lies at the end of a page with nothing
 * behind it. Prints one JSON line: what was compared, what differed, and what is left to the slow way.
 */
#define ZYDIS_DISABLE_FORMATTER
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <Zydis/Zydis.h>

#include "decode.h"

enum { LONGEST = 15, SHOWN = 12 };

static ZydisDecoder decoder;
static uint8_t *page_end;
static unsigned long compared, stored, cut, differences;
static unsigned long slow[ZYDIS_MNEMONIC_MAX_VALUE + 1], forms[STORE_CONTROL + 1];
static unsigned long encodings[ZYDIS_INSTRUCTION_ENCODING_MAX_VALUE + 1]; /* of those that run as copies */

static void differs(const char *what, const uint8_t *code, size_t size, const ZydisDecodedInstruction *one) {
  if (differences++ >= SHOWN) return;
  fprintf(stderr, "%s: %s:", what, one != NULL ? ZydisMnemonicGetString(one->mnemonic) : "-");
  for (size_t i = 0; i < size; i++) fprintf(stderr, " %02x", code[i]);
  fputc('\n', stderr);
}

static int general(ZydisRegister one) {
  ZydisRegisterClass class = ZydisRegisterGetClass(one);
  if (one == ZYDIS_REGISTER_RIP || one == ZYDIS_REGISTER_EIP) return 16;
  if (class != ZYDIS_REGCLASS_GPR64 && class != ZYDIS_REGCLASS_GPR32) return NO_REGISTER;
  return ZydisRegisterGetId(one);
}

static const ZydisDecodedOperand *written(const ZydisDecodedInstruction *one, const ZydisDecodedOperand *operands) {
  for (unsigned i = 0; i < one->operand_count; i++) {
    if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY && (operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) {
      return &operands[i];
    }
  }
  return NULL;
}

static int address_differs(const struct store *store, const ZydisDecodedInstruction *one, const ZydisDecodedOperand *operand) {
  unsigned segment = operand->mem.segment == ZYDIS_REGISTER_FS ? SEGMENT_FS : operand->mem.segment == ZYDIS_REGISTER_GS ? SEGMENT_GS : SEGMENT_NONE;
  int short_address = (store->needs & STORE_ADDRESS_32) != 0;
  if (store->size * 8u != operand->size || short_address != (one->address_width == 32)) return 1;
  if (store->form == STORE_STRING) {
    return store->string != one->opcode || ((store->needs & STORE_REPEATED) != 0) != ((one->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPNE)) != 0);
  }
  /* Zydis 4.0 takes r13d for a base where a SIB byte has none (SDM volume 2, table 2-3, note 1). */
  if (short_address && one->raw.modrm.mod == 0 && one->raw.modrm.rm == 4 && one->raw.sib.base == 5) {
    return store->base != NO_REGISTER || store->displacement != (int32_t)one->raw.disp.value;
  }
  int64_t displacement = operand->mem.disp.value;
  if (store->form == STORE_ABSOLUTE && short_address) displacement = (uint32_t)displacement;
  return store->base != general(operand->mem.base) || store->index != general(operand->mem.index) ||
         (store->index != NO_REGISTER && store->scale != operand->mem.scale) ||
         store->displacement != displacement || store->segment != segment;
}

static int operand_differs(const ZydisDecodedOperand *one, const ZydisDecodedOperand *other) {
  if (one->type != other->type || one->size != other->size || one->actions != other->actions) return 1;
  switch (one->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER: return one->reg.value != other->reg.value;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE: return one->imm.value.u != other->imm.value.u;
    case ZYDIS_OPERAND_TYPE_MEMORY:
      return general(other->mem.base) != 16 || other->mem.index != ZYDIS_REGISTER_NONE || other->mem.disp.value != 0 ||
             other->mem.segment == ZYDIS_REGISTER_FS || other->mem.segment == ZYDIS_REGISTER_GS;
    default: return 1;
  }
}

static int copy_differs(const struct store *store, const ZydisDecodedInstruction *one, const ZydisDecodedOperand *operands) {
  ZydisDecodedInstruction copy;
  ZydisDecodedOperand others[ZYDIS_MAX_OPERAND_COUNT];
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, store->copy, store->copy_length, &copy, others))) return 1;
  if (copy.mnemonic != one->mnemonic || copy.length != store->copy_length || copy.operand_count != one->operand_count ||
      copy.operand_width != one->operand_width || copy.raw.disp.offset != store->copy_displacement || copy.raw.disp.size != 32 ||
      copy.address_width != 64 || (copy.attributes ^ one->attributes) & ZYDIS_ATTRIB_HAS_LOCK ||
      copy.avx.mask.reg != one->avx.mask.reg || copy.avx.mask.mode != one->avx.mask.mode || copy.avx.vector_length != one->avx.vector_length) {
    return 1;
  }
  for (unsigned i = 0; i < one->operand_count; i++) {
    if (operand_differs(&operands[i], &others[i])) return 1;
  }
  return 0;
}

/* How many bytes the instruction takes, or 0 if it is none. */
static unsigned compare(const uint8_t *bytes, size_t available) {
  ZydisDecodedInstruction one;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  struct store store;
  if (available > LONGEST) available = LONGEST;
  const uint8_t *code = memcpy(page_end - available, bytes, available);
  int decoded = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, available, &one, operands));
  int stores = polus_decode(code, available, &store);
  if (!decoded) return 0; /* it cannot run either */
  compared++;
  const ZydisDecodedOperand *operand = written(&one, operands);
  /* These write through a register that Zydis does not list as an operand. */
  int unlisted = one.mnemonic == ZYDIS_MNEMONIC_CLZERO || one.mnemonic == ZYDIS_MNEMONIC_MONTMUL;
  if (stores != (operand != NULL || unlisted)) {
    differs(stores ? "stores nothing" : "stores", code, one.length, &one);
    return one.length;
  }
  if (!stores) return one.length;
  stored++;
  forms[store.form]++;
  if (store.length != one.length) differs("length", code, one.length, &one);
  if (store.form == STORE_UNKNOWN) slow[one.mnemonic]++;
  else if (store.form != STORE_CONTROL && address_differs(&store, &one, operand)) differs("operand", code, one.length, &one);
  if (store.form == STORE_MODRM) encodings[one.encoding]++;
  if (store.form == STORE_MODRM && copy_differs(&store, &one, operands)) differs("copy", code, one.length, &one);
  for (unsigned size = 0; size < one.length; size++) {
    const uint8_t *part = memcpy(page_end - size, bytes, size);
    cut++;
    if (polus_decode(part, size, &store)) differs("decoded though cut off", code, size, &one);
  }
  return one.length;
}

static void walk(const uint8_t *code, size_t size) {
  for (size_t at = 0; at < size;) {
    unsigned length = compare(code + at, size - at);
    at += length > 0 ? length : 1;
  }
}

static int walk_file(const char *path) {
  struct stat status;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0 || fstat(file, &status) < 0) return -1;
  uint8_t *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (bytes == MAP_FAILED) return -1;
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)bytes;
  const Elf64_Phdr *segment = (const Elf64_Phdr *)(bytes + header->e_phoff);
  for (unsigned i = 0; i < header->e_phnum; i++) {
    if (segment[i].p_type == PT_LOAD && (segment[i].p_flags & PF_X)) walk(bytes + segment[i].p_offset, segment[i].p_filesz);
  }
  return munmap(bytes, (size_t)status.st_size);
}

static uint64_t next(uint64_t *state) { /* xorshift64* */
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static unsigned below(uint64_t *state, unsigned limit) { return (unsigned)((next(state) >> 32) % limit); }

/* VEX and EVEX: mostly without what forbids them (prefixes before them, a second source register). */
static size_t invent_vector(uint8_t *code, uint64_t *state, size_t at) {
  static const uint8_t stores[] = {0x11, 0x13, 0x17, 0x29, 0x2b, 0x7e, 0x7f, 0xd6, 0xe7, 0x91, 0xae, 0x2e, 0x2f, 0x8e, 0x14, 0x15, 0x16, 0x17, 0x19,
                                   0x39, 0x1b, 0x3b, 0x1d, 0x63, 0x8a, 0x8b, 0x10, 0x12, 0x20, 0x21, 0x23, 0x24, 0x25, 0x30, 0x31, 0x32, 0x33, 0x34};
  uint8_t none = below(state, 4) ? 0x78 : 0;
  if (below(state, 8)) at = 0;
  switch (below(state, 3)) {
    case 0:
      code[at++] = 0xc5;
      code[at++] = (uint8_t)(below(state, 256) | none);
      break;
    case 1:
      code[at++] = 0xc4;
      code[at++] = (uint8_t)((below(state, 8) << 5) | (1 + below(state, 3)));
      code[at++] = (uint8_t)(below(state, 256) | none);
      break;
    default:
      code[at++] = 0x62;
      code[at++] = (uint8_t)((below(state, 16) << 4) | (below(state, 4) ? 1 + below(state, 3) : 5));
      code[at++] = (uint8_t)(below(state, 256) | 4 | none);
      code[at++] = (uint8_t)((below(state, 256) & (none ? 0x67 : 0xff)) | (none ? 8 : 0));
      break;
  }
  if (below(state, 4)) code[at++] = stores[below(state, sizeof stores)];
  return at;
}

/* Prefixes and escapes are put in front more often than chance would, so that every map is reached. */
static size_t invent(uint8_t *code, uint64_t *state) {
  static const uint8_t heads[] = {0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x64, 0x65, 0x2e, 0x48, 0x4d, 0x41, 0x44};
  size_t at = 0;
  for (unsigned i = below(state, 4); i > 0; i--) code[at++] = heads[below(state, sizeof heads)];
  switch (below(state, 5)) {
    case 0: code[at++] = 0x0f; break;
    case 1:
      code[at++] = 0x0f;
      code[at++] = below(state, 2) ? 0x38 : 0x3a;
      break;
    case 2: case 3: at = invent_vector(code, state, at); break;
    default: break;
  }
  while (at < LONGEST) code[at++] = (uint8_t)below(state, 256);
  return below(state, 4) ? LONGEST : below(state, LONGEST);
}

int main(int count, char **arguments) {
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  uint8_t *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || mprotect(pages + 4096, 4096, PROT_NONE) < 0) return 2;
  page_end = pages + 4096;
  if (count == 4 && strcmp(arguments[1], "random") == 0) {
    uint64_t state = strtoull(arguments[3], NULL, 0) | 1;
    uint8_t code[LONGEST + 1];
    for (unsigned long i = strtoul(arguments[2], NULL, 0); i > 0; i--) {
      size_t available = invent(code, &state);
      compare(code, available);
    }
  } else {
    for (int i = 1; i < count; i++) {
      if (walk_file(arguments[i]) < 0) {
        perror(arguments[i]);
        return 2;
      }
    }
  }
  printf("{\"compared\":%lu,\"stored\":%lu,\"cut\":%lu,\"differences\":%lu,\"forms\":[", compared, stored, cut, differences);
  for (unsigned i = 0; i <= STORE_CONTROL; i++) printf("%s%lu", i > 0 ? "," : "", forms[i]);
  printf("],\"legacy\":%lu,\"vex\":%lu,\"evex\":%lu,\"slow\":{", encodings[ZYDIS_INSTRUCTION_ENCODING_LEGACY],
         encodings[ZYDIS_INSTRUCTION_ENCODING_VEX], encodings[ZYDIS_INSTRUCTION_ENCODING_EVEX]);
  const char *between = "";
  for (unsigned i = 0; i <= ZYDIS_MNEMONIC_MAX_VALUE; i++) {
    if (slow[i] == 0) continue;
    printf("%s\"%s\":%lu", between, ZydisMnemonicGetString(i), slow[i]);
    between = ",";
  }
  puts("}}");
  return differences > 0;
}
