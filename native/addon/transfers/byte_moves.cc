// Instructions that only move bytes, or pointers into the objects and the stack.
#include <algorithm>

#include "transfers/byte_reader.h"
#include "transfers/operands.h"

namespace polus {

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
      const Word& frame = state.general[kRbp];
      if (frame.region != Region::kStack) return false;
      const auto kept = state.stack.find(frame.offset);
      stack = Word::Pointer(Region::kStack, frame.offset + 8);
      state.general[kRbp] = kept == state.stack.end() ? Word() : kept->second;
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

}  // namespace polus
