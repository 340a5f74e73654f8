#ifndef POLUS_ARCH_X86_64_REGISTER_USE_H
#define POLUS_ARCH_X86_64_REGISTER_USE_H

#include <Zydis/Zydis.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "arch/x86_64/decoder.h"

namespace polus::x86_64 {

/**
 * A set of the registers that a callee may change by the System V ABI: rax, rcx, rdx, rsi, rdi,
 * r8 to r11, the vector registers and the masks k0 to k7. A general register is one whole: compilers
 * calculate with 32 bits where only the 8 or 16 that they have set matter. Of a vector register the
 * lower 128, the next 128 and the upper 256 bits are told apart.
 */
struct RegisterSet {
  /** A bit a register, in the order above. */
  uint64_t general = 0;
  /** Bits 0-31: lower 128 bits of a vector register; 32-39: masks. */
  uint64_t vector = 0;
  /** Bits 0-31: upper half of a ymm; 32-63: upper half of a zmm. */
  uint64_t wide = 0;

  static RegisterSet All() noexcept;
  /** rdi, rsi, rdx, rcx, r8, r9 and xmm0 to xmm7. */
  static RegisterSet Arguments() noexcept;
  /** rax, rdx, xmm0 and xmm1. */
  static RegisterSet Results() noexcept;
  /** The general register that argument `index` (0 to 5) is passed in. */
  static RegisterSet GeneralArgument(size_t index) noexcept;
  static RegisterSet Vector(size_t index) noexcept;
  static RegisterSet Rax() noexcept;

  bool IsEmpty() const noexcept { return (general | vector | wide) == 0; }
  bool Contains(const RegisterSet& other) const noexcept { return (other - *this).IsEmpty(); }
  /** Every vector register of which at least one part is here, in all its parts. */
  RegisterSet Whole() const noexcept;
  /** Names such as rdi, xmm3 (ymm3, zmm3 if the wider parts are here) or k1. */
  std::vector<std::string> Names() const;

  RegisterSet operator|(const RegisterSet& o) const noexcept {
    return {general | o.general, vector | o.vector, wide | o.wide};
  }
  RegisterSet operator&(const RegisterSet& o) const noexcept {
    return {general & o.general, vector & o.vector, wide & o.wide};
  }
  RegisterSet operator-(const RegisterSet& o) const noexcept {
    return {general & ~o.general, vector & ~o.vector, wide & ~o.wide};
  }
  RegisterSet& operator|=(const RegisterSet& o) noexcept { return *this = *this | o; }
  RegisterSet& operator-=(const RegisterSet& o) noexcept { return *this = *this - o; }
  bool operator==(const RegisterSet& o) const noexcept {
    return general == o.general && vector == o.vector && wide == o.wide;
  }
};

/** One instruction with what it does to the registers of a RegisterSet. */
struct RegisterUse {
  Instruction instruction;
  /** Those whose value matters for what the instruction does. */
  RegisterSet reads;
  /** Those that have another value afterwards whatever stood there. */
  RegisterSet writes;
  /**
   * Those that it does nothing else than set: a load, a move, an address, a constant. A compiler
   * leaves no such instruction whose result nobody uses.
   */
  RegisterSet sets;
  bool is_push = false;
  /** A store of a register to memory addressed by rsp, rbp or rax: how variadic functions begin. */
  bool is_spill = false;
  /** Of a spill. */
  int64_t displacement = 0;
  bool is_syscall = false;
  /** `test %al,%al` */
  bool tests_al = false;
  /** mov $n, %eax */
  bool sets_eax = false;
  uint64_t constant = 0;
  /** The 64-bit register, any of them, that the first operand writes or that is jumped through. */
  ZydisRegister target = ZYDIS_REGISTER_NONE;
  /** add of a 64-bit register to another: how the target of a jump table's entry is made. */
  bool adds_registers = false;
  /** Base and index of a memory operand absent: its displacement is an address (mod 2^32). */
  bool table_jump = false;
};

/** Decodes with operands. */
class RegisterUseDecoder {
 public:
  RegisterUseDecoder() noexcept;

  /** @return false if the bytes are no instruction */
  bool Decode(const uint8_t* bytes, size_t size, RegisterUse* use) const noexcept;

 private:
  ZydisDecoder decoder_;
};

}  // namespace polus::x86_64

#endif
