#include "transfers/byte_reader.h"

#include <algorithm>
#include <utility>

#include "transfers/operands.h"

namespace polus {

namespace {

constexpr size_t kMostWays = 256;
constexpr size_t kMostSteps = 1 << 16;
constexpr size_t kDeepest = 8;
constexpr int64_t kLargestObject = 1 << 16;
constexpr uint64_t kLongestCopy = 4096;

// Of a call (System V ABI, AMD64 supplement, 3.2.1): kept are rbx, rsp, rbp and r12 to r15.
constexpr size_t kRdx = 2, kRsi = 6, kRdi = 7;
constexpr size_t kChangedByCalls[] = {0, 1, 2, 6, 7, 8, 9, 10, 11};

std::optional<uint64_t> ConstantOf(const Word& word) {
  if (word.region != Region::kNone) return std::nullopt;
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) {
    if (word.bytes[i].kind != ByteOrigin::Kind::kConstant) return std::nullopt;
    value |= uint64_t{word.bytes[i].constant} << 8 * i;
  }
  return value;
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
