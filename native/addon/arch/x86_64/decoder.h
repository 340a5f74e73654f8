#ifndef POLUS_ARCH_X86_64_DECODER_H
#define POLUS_ARCH_X86_64_DECODER_H

#include <Zydis/Zydis.h>

#include <cstddef>
#include <cstdint>

namespace polus::x86_64 {

/** A branch to a fixed place, as far as its target is an offset in the instruction. */
enum class RelativeBranch {
  kNone,
  kJump,
  kCall,
  /** jcc, in its short or near form. */
  kConditional,
  /** loop, loope, loopne, jecxz and jrcxz, which have a short form only. */
  kCounted,
  /** xbegin, whose target is where an aborted transaction goes on. */
  kTransaction,
  /** One that nothing here knows how to move. */
  kOther,
};

/** An instruction in 64-bit mode, without its operands. */
struct Instruction {
  ZydisDecodedInstruction raw;

  size_t Length() const noexcept { return raw.length; }

  bool Is(ZydisOpcodeMap map, uint8_t opcode) const noexcept {
    return raw.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && raw.opcode_map == map &&
           raw.opcode == opcode;
  }

  RelativeBranch Branch() const noexcept;

  /** Target of a relative branch at `address`. */
  uint64_t Target(uint64_t address) const noexcept {
    return address + raw.length + static_cast<uint64_t>(raw.raw.imm[0].value.s);
  }

  /** Whether a memory operand is relative to the next instruction. */
  bool IsRipRelative() const noexcept {
    return (raw.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 && raw.raw.modrm.mod == 0 &&
           raw.raw.modrm.rm == 5 && raw.raw.disp.size == 32;
  }

  /** Address that the memory operand of an instruction at `address` names. */
  uint64_t RipTarget(uint64_t address) const noexcept {
    return address + raw.length + static_cast<uint64_t>(raw.raw.disp.value);
  }

  bool IsLea() const noexcept { return Is(ZYDIS_OPCODE_MAP_DEFAULT, 0x8d); }

  /** jmp through a register or memory. */
  bool IsIndirectJump() const noexcept {
    return Is(ZYDIS_OPCODE_MAP_DEFAULT, 0xff) &&
           (raw.raw.modrm.reg == 4 || raw.raw.modrm.reg == 5);
  }

  bool IsIndirectCall() const noexcept {
    return Is(ZYDIS_OPCODE_MAP_DEFAULT, 0xff) &&
           (raw.raw.modrm.reg == 2 || raw.raw.modrm.reg == 3);
  }

  /** Whether control never reaches the next instruction: jmp, ret, iret, hlt, ud0, ud1, ud2. */
  bool EndsFlow() const noexcept;

  /** What compilers and assemblers fill gaps with: any form of nop, or int3. */
  bool IsPadding() const noexcept;
};

/**
 * Decodes by Zydis in its minimal mode: lengths, opcodes and the places of displacement and
 * immediate, which is all that moving and finding branches takes.
 */
class Decoder {
 public:
  Decoder() noexcept;

  enum class Result {
    kInstruction,
    /** The bytes end within an instruction. */
    kCut,
    /** The bytes are no instruction. */
    kInvalid,
  };

  /** Decodes one instruction from at most `size` bytes. */
  Result Try(const uint8_t* bytes, size_t size, Instruction* instruction) const noexcept;

  /** Same, where it does not matter why there is none. */
  bool Decode(const uint8_t* bytes, size_t size, Instruction* instruction) const noexcept {
    return Try(bytes, size, instruction) == Result::kInstruction;
  }

 private:
  ZydisDecoder decoder_;
};

}  // namespace polus::x86_64

#endif
