#include "arch/x86_64/decoder.h"

namespace polus::x86_64 {

Decoder::Decoder() noexcept {
  ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisDecoderEnableMode(&decoder_, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE);
}

Decoder::Result Decoder::Try(const uint8_t* bytes, size_t size,
                             Instruction* instruction) const noexcept {
  const ZyanStatus status =
      ZydisDecoderDecodeInstruction(&decoder_, nullptr, bytes, size, &instruction->raw);
  if (ZYAN_SUCCESS(status)) return Result::kInstruction;
  return status == ZYDIS_STATUS_NO_MORE_DATA ? Result::kCut : Result::kInvalid;
}

RelativeBranch Instruction::Branch() const noexcept {
  if (!raw.raw.imm[0].is_relative) return RelativeBranch::kNone;
  if (raw.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) return RelativeBranch::kOther;
  const uint8_t opcode = raw.opcode;
  if (raw.opcode_map == ZYDIS_OPCODE_MAP_0F) {
    return (opcode & 0xf0) == 0x80 ? RelativeBranch::kConditional : RelativeBranch::kOther;
  }
  if (raw.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT) return RelativeBranch::kOther;
  if ((opcode & 0xf0) == 0x70) return RelativeBranch::kConditional;
  if (opcode >= 0xe0 && opcode <= 0xe3) return RelativeBranch::kCounted;
  switch (opcode) {
    case 0xe8: return RelativeBranch::kCall;
    case 0xe9:
    case 0xeb: return RelativeBranch::kJump;
    case 0xc7: return RelativeBranch::kTransaction;
    default: return RelativeBranch::kOther;
  }
}

bool Instruction::EndsFlow() const noexcept {
  if (raw.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) return false;
  if (Branch() == RelativeBranch::kJump || IsIndirectJump()) return true;
  if (raw.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT) {
    switch (raw.opcode) {
      case 0xc2:  // ret imm16
      case 0xc3:  // ret
      case 0xca:  // far ret imm16
      case 0xcb:  // far ret
      case 0xcf:  // iret
      case 0xf4:  // hlt
        return true;
      default: return false;
    }
  }
  if (raw.opcode_map == ZYDIS_OPCODE_MAP_0F) {
    return raw.opcode == 0x0b || raw.opcode == 0xb9 || raw.opcode == 0xff;  // ud2, ud1, ud0
  }
  return false;
}

bool Instruction::IsPadding() const noexcept {
  return raw.mnemonic == ZYDIS_MNEMONIC_NOP || raw.mnemonic == ZYDIS_MNEMONIC_INT3;
}

}  // namespace polus::x86_64
