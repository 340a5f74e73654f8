#include "transfers/byte_reader.h"

#include <algorithm>
#include <utility>

namespace polus {

namespace {

constexpr size_t kMostWays = 256;
constexpr size_t kMostSteps = 1 << 16;
constexpr size_t kDeepest = 8;
constexpr int64_t kLargestObject = 1 << 16;
constexpr uint64_t kLongestCopy = 4096;

// Of a call (System V ABI, AMD64 supplement, 3.2.1): kept are rbx, rsp, rbp and r12 to r15.
constexpr size_t kRax = 0, kRdx = 2, kRsp = 4, kRsi = 6, kRdi = 7;
constexpr size_t kChangedByCalls[] = {0, 1, 2, 6, 7, 8, 9, 10, 11};

struct RegisterPart {
  size_t number;
  size_t size;
  /** 1 for ah, ch, dh and bh. */
  size_t first;
};

std::optional<RegisterPart> GeneralPart(ZydisRegister name) {
  switch (ZydisRegisterGetClass(name)) {
    case ZYDIS_REGCLASS_GPR64:
      return RegisterPart{static_cast<size_t>(ZydisRegisterGetId(name)), 8, 0};
    case ZYDIS_REGCLASS_GPR32:
      return RegisterPart{static_cast<size_t>(ZydisRegisterGetId(name)), 4, 0};
    case ZYDIS_REGCLASS_GPR16:
      return RegisterPart{static_cast<size_t>(ZydisRegisterGetId(name)), 2, 0};
    case ZYDIS_REGCLASS_GPR8: {
      if (name >= ZYDIS_REGISTER_AH && name <= ZYDIS_REGISTER_BH) {
        return RegisterPart{static_cast<size_t>(name - ZYDIS_REGISTER_AH), 1, 1};
      }
      const ZydisRegister wide =
          ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, name);
      return RegisterPart{static_cast<size_t>(ZydisRegisterGetId(wide)), 1, 0};
    }
    default:
      return std::nullopt;
  }
}

/** Number of an xmm or ymm register that there is without AVX-512. */
std::optional<size_t> VectorNumber(ZydisRegister name) {
  const ZydisRegisterClass kind = ZydisRegisterGetClass(name);
  if (kind != ZYDIS_REGCLASS_XMM && kind != ZYDIS_REGCLASS_YMM) return std::nullopt;
  const auto number = static_cast<size_t>(ZydisRegisterGetId(name));
  return number < 16 ? std::optional<size_t>(number) : std::nullopt;
}

Bytes BytesOf(uint64_t value, size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = ByteOrigin::Constant(static_cast<uint8_t>(value >> 8 * i));
  return bytes;
}

std::optional<uint64_t> ConstantOf(const Word& word) {
  if (word.region != Region::kNone) return std::nullopt;
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) {
    if (word.bytes[i].kind != ByteOrigin::Kind::kConstant) return std::nullopt;
    value |= uint64_t{word.bytes[i].constant} << 8 * i;
  }
  return value;
}

void Widen(Bytes& bytes, size_t size, bool is_signed) {
  const ByteOrigin fill = is_signed ? bytes.back().Sign() : ByteOrigin::Constant(0);
  bytes.resize(size, fill);
}

bool IsMemory(const ZydisDecodedOperand& operand) {
  return operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.type == ZYDIS_MEMOP_TYPE_MEM;
}

bool IsThreadLocal(const ZydisDecodedOperand& operand) {
  return operand.mem.segment == ZYDIS_REGISTER_FS;
}

}  // namespace

ByteReader::ByteReader(const ElfFile& file, const TransferCode& code) : file_(file), code_(code) {
  ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

bool ByteReader::Follow() {
  Way first = {code_.address, {}, {}, {{}}};
  first.state.general[kRdi] = Word::Pointer(Region::kSource, 0);
  first.state.general[kRsi] = Word::Pointer(Region::kTarget, 0);
  first.state.general[kRsp] = Word::Pointer(Region::kStack, 0);
  ways_.push_back(std::move(first));
  size_t steps = 0;
  while (!ways_.empty()) {
    Way way = std::move(ways_.back());
    ways_.pop_back();
    Outcome outcome = Outcome::kGoesOn;
    while (outcome == Outcome::kGoesOn) {
      Decoded decoded;
      if (++steps > kMostSteps || ways_.size() + ends_.size() > kMostWays) return false;
      if (!way.seen.back().insert(way.address).second) return false;
      if (!Decode(way.address, &decoded)) return false;
      outcome = Step(way, decoded);
    }
    if (outcome == Outcome::kUnknown) return false;
  }
  return true;
}

bool ByteReader::Decode(uint64_t address, Decoded* decoded) const {
  const ByteView bytes = file_.BytesFrom(address);
  if (bytes.size == 0) return false;
  const size_t size = std::min<size_t>(bytes.size, ZYDIS_MAX_INSTRUCTION_LENGTH);
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder_, bytes.data, size, &decoded->raw, decoded->operands))) {
    return false;
  }
  decoded->next = address + decoded->raw.length;
  return true;
}

ByteReader::Outcome ByteReader::Step(Way& way, const Decoded& decoded) {
  switch (decoded.raw.meta.category) {
    case ZYDIS_CATEGORY_COND_BR:
    case ZYDIS_CATEGORY_UNCOND_BR:
      return Branch(way, decoded);
    case ZYDIS_CATEGORY_CALL:
      return Call(way, decoded);
    case ZYDIS_CATEGORY_RET:
      return decoded.raw.operand_count_visible == 0 ? Return(way) : Outcome::kUnknown;
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSTEM:
      return Outcome::kUnknown;
    default:
      break;
  }
  if (decoded.raw.mnemonic == ZYDIS_MNEMONIC_UD2) return Outcome::kEnds;
  way.address = decoded.next;
  for (const auto move : {&ByteReader::Move, &ByteReader::MovePointer, &ByteReader::MoveVector}) {
    if (const std::optional<bool> done = (this->*move)(way.state, decoded)) {
      return *done ? Outcome::kGoesOn : Outcome::kUnknown;
    }
  }
  return Other(way.state, decoded) ? Outcome::kGoesOn : Outcome::kUnknown;
}

ByteReader::Outcome ByteReader::Branch(Way& way, const Decoded& decoded) {
  const ZydisDecodedOperand& target = decoded.operands[0];
  if (target.type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !target.imm.is_relative) {
    // The end of a function that passes on to another.
    if (!IsMemory(target) || target.mem.base != ZYDIS_REGISTER_RIP) return Outcome::kUnknown;
    const auto known = code_.calls.find(decoded.next + static_cast<uint64_t>(target.mem.disp.value));
    if (known == code_.calls.end()) return Outcome::kUnknown;
    const Outcome outcome = Known(way, known->second, 0);
    return outcome == Outcome::kGoesOn ? Return(way) : outcome;
  }
  const uint64_t there = decoded.next + static_cast<uint64_t>(target.imm.value.s);
  if (decoded.raw.meta.category == ZYDIS_CATEGORY_COND_BR) {
    // loop, jrcxz: rcx may hold bytes of the source.
    if (decoded.raw.operand_count > 2 && !Other(way.state, decoded)) return Outcome::kUnknown;
    Way other = way;
    other.address = there;
    ways_.push_back(std::move(other));
    way.address = decoded.next;
    return Outcome::kGoesOn;
  }
  way.address = there;
  return Outcome::kGoesOn;
}

ByteReader::Outcome ByteReader::Call(Way& way, const Decoded& decoded) {
  const ZydisDecodedOperand& target = decoded.operands[0];
  uint64_t slot = 0;
  if (IsMemory(target) && target.mem.base == ZYDIS_REGISTER_RIP) {
    slot = decoded.next + static_cast<uint64_t>(target.mem.disp.value);
  } else if (target.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && target.imm.is_relative) {
    const uint64_t there = decoded.next + static_cast<uint64_t>(target.imm.value.s);
    Decoded stub;
    if (!Decode(there, &stub)) return Outcome::kUnknown;
    if (stub.raw.mnemonic == ZYDIS_MNEMONIC_ENDBR64 && !Decode(stub.next, &stub)) return Outcome::kUnknown;
    if (stub.raw.mnemonic != ZYDIS_MNEMONIC_JMP || !IsMemory(stub.operands[0]) ||
        stub.operands[0].mem.base != ZYDIS_REGISTER_RIP) {
      // Of the patch's own.
      if (way.returns.size() >= kDeepest) return Outcome::kUnknown;
      Word& stack = way.state.general[kRsp];
      if (stack.region != Region::kStack) return Outcome::kUnknown;
      stack.offset -= 8;
      way.state.stack[stack.offset] = Word();
      way.returns.push_back(decoded.next);
      way.seen.emplace_back();
      way.address = there;
      return Outcome::kGoesOn;
    }
    slot = stub.next + static_cast<uint64_t>(stub.operands[0].mem.disp.value);
  } else {
    return Outcome::kUnknown;
  }
  const auto known = code_.calls.find(slot);
  return known == code_.calls.end() ? Outcome::kUnknown : Known(way, known->second, decoded.next);
}

ByteReader::Outcome ByteReader::Known(Way& way, KnownCall call, uint64_t next) {
  if (call == KnownCall::kEnd) return Outcome::kEnds;
  auto& general = way.state.general;
  Word result;
  if (call == KnownCall::kTwin) {
    // It looks at the pointer, not at what it points to.
    Use(general[kRdi]);
  } else {
    const std::optional<uint64_t> size = ConstantOf(general[kRdx]);
    if (!size || *size > kLongestCopy || general[kRdi].region == Region::kNone ||
        general[kRsi].region == Region::kNone) {
      return Outcome::kUnknown;
    }
    const auto bytes = Load(way.state, {general[kRsi].region, general[kRsi].offset}, *size);
    if (!bytes || !Store(way.state, {general[kRdi].region, general[kRdi].offset}, *bytes)) {
      return Outcome::kUnknown;
    }
    result = general[kRdi];
  }
  for (size_t number : kChangedByCalls) general[number] = Word();
  for (auto& vector : way.state.vectors) vector.fill({});
  general[kRax] = result;
  way.address = next;
  return Outcome::kGoesOn;
}

ByteReader::Outcome ByteReader::Return(Way& way) {
  Word& stack = way.state.general[kRsp];
  if (stack.region != Region::kStack) return Outcome::kUnknown;
  if (way.returns.empty()) {
    if (stack.offset != 0) return Outcome::kUnknown;
    ends_.push_back(std::move(way.state.target));
    return Outcome::kEnds;
  }
  stack.offset += 8;
  way.address = way.returns.back();
  way.returns.pop_back();
  way.seen.pop_back();
  return Outcome::kGoesOn;
}

std::optional<bool> ByteReader::Move(ByteState& state, const Decoded& decoded) {
  const auto& operands = decoded.operands;
  const size_t size = operands[0].size / 8;
  switch (decoded.raw.mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MOVZX:
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD: {
      if (operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER && !GeneralPart(operands[0].reg.value)) {
        return std::nullopt;
      }
      // A pointer as a whole.
      const bool whole = size == 8 && decoded.raw.mnemonic == ZYDIS_MNEMONIC_MOV;
      if (whole && operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
        const auto from = GeneralPart(operands[1].reg.value);
        if (!from) return std::nullopt;
        const Word word = state.general[from->number];
        if (word.region != Region::kNone) {
          if (operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER) {
            state.general[GeneralPart(operands[0].reg.value)->number] = word;
            return true;
          }
          const auto place = PlaceOf(state, operands[0]);
          if (!place) return false;
          if (place->region == Region::kStack) {
            state.stack[place->offset] = word;
            return true;
          }
        }
      }
      if (whole && IsMemory(operands[1]) && !IsThreadLocal(operands[1])) {
        const auto place = PlaceOf(state, operands[1]);
        if (!place) return false;
        const auto kept = state.stack.find(place->offset);
        if (place->region == Region::kStack && kept != state.stack.end()) {
          state.general[GeneralPart(operands[0].reg.value)->number] = kept->second;
          return true;
        }
      }
      std::optional<Bytes> bytes = Read(state, operands[1]);
      if (!bytes) return false;
      if (bytes->size() < size) Widen(*bytes, size, decoded.raw.mnemonic != ZYDIS_MNEMONIC_MOVZX);
      bytes->resize(size);
      return Write(state, operands[0], *bytes);
    }
    case ZYDIS_MNEMONIC_CDQE:
    case ZYDIS_MNEMONIC_CWDE: {
      const size_t from = decoded.raw.mnemonic == ZYDIS_MNEMONIC_CDQE ? 4 : 2;
      Word& rax = state.general[kRax];
      if (rax.region != Region::kNone) return std::nullopt;
      Bytes bytes(rax.bytes.begin(), rax.bytes.begin() + static_cast<std::ptrdiff_t>(from));
      Widen(bytes, 2 * from, true);
      Widen(bytes, 8, false);
      std::copy(bytes.begin(), bytes.end(), rax.bytes.begin());
      return true;
    }
    case ZYDIS_MNEMONIC_XOR:
    case ZYDIS_MNEMONIC_SUB:
      if (operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
          operands[1].type != ZYDIS_OPERAND_TYPE_REGISTER ||
          operands[0].reg.value != operands[1].reg.value || !GeneralPart(operands[0].reg.value)) {
        return std::nullopt;
      }
      return Write(state, operands[0], BytesOf(0, size));
    case ZYDIS_MNEMONIC_NOP:
    case ZYDIS_MNEMONIC_ENDBR64:
      return true;
    default:
      return std::nullopt;
  }
}

std::optional<bool> ByteReader::MovePointer(ByteState& state, const Decoded& decoded) {
  const auto& operands = decoded.operands;
  Word& stack = state.general[kRsp];
  switch (decoded.raw.mnemonic) {
    case ZYDIS_MNEMONIC_PUSH: {
      if (stack.region != Region::kStack || operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER) return false;
      const auto part = GeneralPart(operands[0].reg.value);
      if (!part || part->size != 8) return false;
      const Word word = state.general[part->number];
      stack.offset -= 8;
      state.stack[stack.offset] = word;
      return true;
    }
    case ZYDIS_MNEMONIC_POP: {
      if (stack.region != Region::kStack || operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER) return false;
      const auto part = GeneralPart(operands[0].reg.value);
      const auto kept = state.stack.find(stack.offset);
      if (!part || part->size != 8 || part->number == kRsp) return false;
      state.general[part->number] = kept == state.stack.end() ? Word() : kept->second;
      stack.offset += 8;
      return true;
    }
    case ZYDIS_MNEMONIC_LEAVE: {
      const Word& frame = state.general[5];
      if (frame.region != Region::kStack) return false;
      const auto kept = state.stack.find(frame.offset);
      stack = Word::Pointer(Region::kStack, frame.offset + 8);
      state.general[5] = kept == state.stack.end() ? Word() : kept->second;
      return true;
    }
    case ZYDIS_MNEMONIC_LEA: {
      const auto part = GeneralPart(operands[0].reg.value);
      const auto place = PlaceOf(state, operands[1]);
      if (!part || part->size != 8 || !place || part->number == kRsp) {
        if (part && part->number == kRsp && place && place->region == Region::kStack) {
          stack.offset = place->offset;
          return true;
        }
        return std::nullopt;
      }
      state.general[part->number] = Word::Pointer(place->region, place->offset);
      return true;
    }
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_SUB: {
      if (operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER || operands[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        return std::nullopt;
      }
      const auto part = GeneralPart(operands[0].reg.value);
      if (!part || part->size != 8) return std::nullopt;
      Word& word = state.general[part->number];
      if (word.region == Region::kNone) return std::nullopt;
      const int64_t amount = operands[1].imm.value.s;
      word.offset += decoded.raw.mnemonic == ZYDIS_MNEMONIC_ADD ? amount : -amount;
      return true;
    }
    default:
      return std::nullopt;
  }
}

std::optional<bool> ByteReader::MoveVector(ByteState& state, const Decoded& decoded) {
  const auto& operands = decoded.operands;
  if (decoded.raw.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX) return std::nullopt;
  const bool is_wide = decoded.raw.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
  switch (decoded.raw.mnemonic) {
    case ZYDIS_MNEMONIC_MOVUPS: case ZYDIS_MNEMONIC_VMOVUPS:
    case ZYDIS_MNEMONIC_MOVAPS: case ZYDIS_MNEMONIC_VMOVAPS:
    case ZYDIS_MNEMONIC_MOVUPD: case ZYDIS_MNEMONIC_VMOVUPD:
    case ZYDIS_MNEMONIC_MOVAPD: case ZYDIS_MNEMONIC_VMOVAPD:
    case ZYDIS_MNEMONIC_MOVDQU: case ZYDIS_MNEMONIC_VMOVDQU:
    case ZYDIS_MNEMONIC_MOVDQA: case ZYDIS_MNEMONIC_VMOVDQA:
    case ZYDIS_MNEMONIC_MOVQ: case ZYDIS_MNEMONIC_VMOVQ:
    case ZYDIS_MNEMONIC_MOVD: case ZYDIS_MNEMONIC_VMOVD: {
      const bool is_part = decoded.raw.mnemonic == ZYDIS_MNEMONIC_MOVQ ||
                           decoded.raw.mnemonic == ZYDIS_MNEMONIC_VMOVQ ||
                           decoded.raw.mnemonic == ZYDIS_MNEMONIC_MOVD ||
                           decoded.raw.mnemonic == ZYDIS_MNEMONIC_VMOVD;
      std::optional<Bytes> bytes = Read(state, operands[1]);
      if (!bytes) return false;
      if (is_part) {
        const size_t size = decoded.raw.mnemonic == ZYDIS_MNEMONIC_MOVD ||
                                    decoded.raw.mnemonic == ZYDIS_MNEMONIC_VMOVD
                                ? 4 : 8;
        // `movd` with a wide operand is `movq` (SDM volume 2, MOVD/MOVQ).
        const size_t moved = std::max(size, std::min<size_t>({operands[0].size / 8u, operands[1].size / 8u}));
        bytes->resize(std::min<size_t>(moved, 8));
      }
      const auto number = operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER
                              ? VectorNumber(operands[0].reg.value) : std::nullopt;
      if (!number) {
        bytes->resize(operands[0].size / 8);
        return Write(state, operands[0], *bytes);
      }
      if (is_part) bytes->resize(16, ByteOrigin::Constant(0));
      if (is_wide) bytes->resize(32, ByteOrigin::Constant(0));
      std::copy(bytes->begin(), bytes->end(), state.vectors[*number].begin());
      return true;
    }
    case ZYDIS_MNEMONIC_MOVSS: case ZYDIS_MNEMONIC_VMOVSS:
    case ZYDIS_MNEMONIC_MOVSD: case ZYDIS_MNEMONIC_VMOVSD: {
      const size_t load = decoded.raw.operand_count_visible == 2 && IsMemory(operands[1]) ? 1 : 0;
      if (!IsMemory(operands[load]) || operands[1 - load].type != ZYDIS_OPERAND_TYPE_REGISTER) return std::nullopt;
      const auto number = VectorNumber(operands[1 - load].reg.value);
      if (!number) return std::nullopt;
      auto& vector = state.vectors[*number];
      const auto size = static_cast<std::ptrdiff_t>(operands[load].size / 8);
      if (load == 0) return Write(state, operands[0], Bytes(vector.begin(), vector.begin() + size));
      const std::optional<Bytes> bytes = Read(state, operands[1]);
      if (!bytes) return false;
      std::fill_n(vector.begin(), is_wide ? 32 : 16, ByteOrigin::Constant(0));
      std::copy(bytes->begin(), bytes->end(), vector.begin());
      return true;
    }
    case ZYDIS_MNEMONIC_MOVHPS:
    case ZYDIS_MNEMONIC_MOVHPD:
    case ZYDIS_MNEMONIC_MOVLPS:
    case ZYDIS_MNEMONIC_MOVLPD: {
      const bool high = decoded.raw.mnemonic == ZYDIS_MNEMONIC_MOVHPS ||
                        decoded.raw.mnemonic == ZYDIS_MNEMONIC_MOVHPD;
      const size_t first = high ? 8 : 0;
      if (IsMemory(operands[0])) {
        const auto number = VectorNumber(operands[1].reg.value);
        if (!number) return std::nullopt;
        const auto begin = state.vectors[*number].begin() + static_cast<std::ptrdiff_t>(first);
        return Write(state, operands[0], Bytes(begin, begin + 8));
      }
      const auto number = VectorNumber(operands[0].reg.value);
      if (!number || !IsMemory(operands[1])) return std::nullopt;
      const std::optional<Bytes> bytes = Read(state, operands[1]);
      if (!bytes || bytes->size() < 8) return false;
      std::copy_n(bytes->begin(), 8, state.vectors[*number].begin() + static_cast<std::ptrdiff_t>(first));
      return true;
    }
    case ZYDIS_MNEMONIC_PUNPCKLQDQ:
    case ZYDIS_MNEMONIC_PUNPCKLDQ:
    case ZYDIS_MNEMONIC_UNPCKLPS:
    case ZYDIS_MNEMONIC_UNPCKLPD: {
      const size_t unit = decoded.raw.mnemonic == ZYDIS_MNEMONIC_PUNPCKLQDQ ||
                                  decoded.raw.mnemonic == ZYDIS_MNEMONIC_UNPCKLPD
                              ? 8 : 4;
      const auto number = VectorNumber(operands[0].reg.value);
      const std::optional<Bytes> second = Read(state, operands[1]);
      if (!second) return false;
      if (!number || second->size() < 8) return std::nullopt;
      const auto first = state.vectors[*number];
      for (size_t at = 0; at < 16; ++at) {
        const size_t from = at / (2 * unit) * unit + at % unit;
        state.vectors[*number][at] = at / unit % 2 == 0 ? first[from] : (*second)[from];
      }
      return true;
    }
    case ZYDIS_MNEMONIC_PXOR:
    case ZYDIS_MNEMONIC_XORPS: {
      if (operands[1].type != ZYDIS_OPERAND_TYPE_REGISTER ||
          operands[0].reg.value != operands[1].reg.value) {
        return std::nullopt;
      }
      const auto number = VectorNumber(operands[0].reg.value);
      if (!number) return std::nullopt;
      std::fill_n(state.vectors[*number].begin(), 16, ByteOrigin::Constant(0));
      return true;
    }
    default:
      return std::nullopt;
  }
}

bool ByteReader::Other(ByteState& state, const Decoded& decoded) {
  constexpr ZyanU64 kRepeated = ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
  if (decoded.raw.attributes & kRepeated) return false;
  std::vector<const ZydisDecodedOperand*> written;
  for (size_t i = 0; i < decoded.raw.operand_count; ++i) {
    const ZydisDecodedOperand& operand = decoded.operands[i];
    if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) {
      for (const ZydisRegister part : {operand.mem.base, operand.mem.index}) {
        if (const auto used = GeneralPart(part)) Use(state.general[used->number]);
      }
      if (!IsMemory(operand)) {
        // An address, which need not be one; anything but that (a vector of addresses) is not looked into.
        if (operand.mem.type != ZYDIS_MEMOP_TYPE_AGEN) return false;
        continue;
      }
    }
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY && operand.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
    // What is written in part, or on a condition, keeps some of what it held.
    const bool keeps = (operand.actions & ZYDIS_OPERAND_ACTION_CONDWRITE) != 0 ||
                       (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && VectorNumber(operand.reg.value));
    if (keeps || (operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0) {
      const std::optional<Bytes> bytes = Read(state, operand);
      if (!bytes) return false;
      for (const ByteOrigin& origin : *bytes) Use(origin);
    }
    if (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) written.push_back(&operand);
  }
  for (const ZydisDecodedOperand* operand : written) {
    if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER) {
      const auto part = GeneralPart(operand->reg.value);
      if (part && part->number == kRsp) return false;
    }
    if (!Write(state, *operand, Bytes(operand->size / 8))) return false;
  }
  return true;
}

std::optional<ByteReader::Place> ByteReader::PlaceOf(const ByteState& state,
                                                     const ZydisDecodedOperand& operand) const {
  if (operand.mem.index != ZYDIS_REGISTER_NONE || IsThreadLocal(operand) ||
      operand.mem.segment == ZYDIS_REGISTER_GS) {
    return std::nullopt;
  }
  const auto base = GeneralPart(operand.mem.base);
  if (!base || base->size != 8) return std::nullopt;
  const Word& word = state.general[base->number];
  if (word.region == Region::kNone) return std::nullopt;
  return Place{word.region, word.offset + operand.mem.disp.value};
}

std::optional<Bytes> ByteReader::Read(ByteState& state, const ZydisDecodedOperand& operand) {
  const size_t size = operand.size / 8;
  if (operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
    return BytesOf(operand.imm.is_signed ? static_cast<uint64_t>(operand.imm.value.s) : operand.imm.value.u, 8);
  }
  if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER) {
    if (const auto part = GeneralPart(operand.reg.value)) {
      const Word& word = state.general[part->number];
      const auto begin = word.bytes.begin() + static_cast<std::ptrdiff_t>(part->first);
      return Bytes(begin, begin + static_cast<std::ptrdiff_t>(part->size));
    }
    if (const auto number = VectorNumber(operand.reg.value)) {
      const auto begin = state.vectors[*number].begin();
      return Bytes(begin, begin + static_cast<std::ptrdiff_t>(std::min<size_t>(size, 32)));
    }
    switch (ZydisRegisterGetClass(operand.reg.value)) {
      case ZYDIS_REGCLASS_FLAGS:
      case ZYDIS_REGCLASS_IP:
        return Bytes();  // what decided them has been used
      default:
        return std::nullopt;
    }
  }
  if (!IsMemory(operand)) return std::nullopt;
  if (IsThreadLocal(operand)) return Bytes(size);  // neither object lies there
  const auto place = PlaceOf(state, operand);
  return place ? Load(state, *place, size) : std::nullopt;
}

bool ByteReader::Write(ByteState& state, const ZydisDecodedOperand& operand, const Bytes& bytes) {
  if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER) {
    if (const auto part = GeneralPart(operand.reg.value)) {
      Word& word = state.general[part->number];
      if (word.region != Region::kNone) word = Word();
      // Four bytes set the upper four to zero, one or two leave the others (SDM volume 1, 3.4.1.1).
      if (part->size == 4) word.bytes.fill(ByteOrigin::Constant(0));
      std::copy_n(bytes.begin(), std::min(part->size, bytes.size()),
                  word.bytes.begin() + static_cast<std::ptrdiff_t>(part->first));
      return true;
    }
    if (const auto number = VectorNumber(operand.reg.value)) {
      state.vectors[*number].fill({});
      return true;
    }
    switch (ZydisRegisterGetClass(operand.reg.value)) {
      case ZYDIS_REGCLASS_FLAGS:
      case ZYDIS_REGCLASS_IP:
        return true;
      default:
        return false;
    }
  }
  if (!IsMemory(operand)) return false;
  const auto place = PlaceOf(state, operand);
  return place && Store(state, *place, bytes);
}

std::optional<Bytes> ByteReader::Load(ByteState& state, const Place& place, size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) {
    const int64_t at = place.offset + static_cast<int64_t>(i);
    switch (place.region) {
      case Region::kSource:
        if (at < 0 || at >= kLargestObject) return std::nullopt;
        bytes[i] = ByteOrigin::Source(static_cast<uint32_t>(at));
        break;
      case Region::kTarget: {
        const auto known = state.target.find(at);
        if (known != state.target.end()) bytes[i] = known->second.origin;
        break;
      }
      case Region::kStack: {
        const auto next = state.stack.upper_bound(at);
        if (next == state.stack.begin()) break;
        const auto& [start, word] = *std::prev(next);
        if (at < start + 8) bytes[i] = word.bytes[static_cast<size_t>(at - start)];
        break;
      }
      case Region::kNone:
        return std::nullopt;
    }
  }
  return bytes;
}

bool ByteReader::Store(ByteState& state, const Place& place, const Bytes& bytes) {
  const auto size = static_cast<int64_t>(bytes.size());
  if (place.region == Region::kTarget) {
    if (place.offset < 0 || place.offset + size > kLargestObject) return false;
    const uint32_t store = ++state.stores;
    for (int64_t i = 0; i < size; ++i) {
      state.target[place.offset + i] = {bytes[static_cast<size_t>(i)], store};
    }
    return true;
  }
  if (place.region != Region::kStack) return false;
  // Slots that it covers in part: what is left of them is not known any more.
  auto slot = state.stack.lower_bound(place.offset - 7);
  while (slot != state.stack.end() && slot->first < place.offset + size) {
    Use(slot->second);
    slot = state.stack.erase(slot);
  }
  int64_t at = 0;
  for (; at + 8 <= size; at += 8) {
    Word word;
    std::copy_n(bytes.begin() + at, 8, word.bytes.begin());
    state.stack[place.offset + at] = word;
  }
  for (; at < size; ++at) Use(bytes[static_cast<size_t>(at)]);
  return true;
}

void ByteReader::Use(const ByteOrigin& origin) {
  if (origin.OfSource()) opaque_.insert(origin.offset);
}

void ByteReader::Use(const Word& word) {
  for (const ByteOrigin& origin : word.bytes) Use(origin);
}

}  // namespace polus
