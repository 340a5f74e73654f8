#include "arch/x86_64/register_use.h"

namespace polus::x86_64 {

namespace {

constexpr const char* kGeneralNames[] = {"rax", "rcx", "rdx", "rsi", "rdi",
                                         "r8",  "r9",  "r10", "r11"};
constexpr size_t kGeneralCount = 9;
constexpr size_t kVectorCount = 32;
constexpr size_t kMaskCount = 8;

/** Place of a register in a RegisterSet by its number in instructions, -1 for those a callee keeps. */
constexpr int kPlaceOf[16] = {0, 1, 2, -1, -1, -1, 3, 4, 5, 6, 7, 8, -1, -1, -1, -1};

/** Places of rdi, rsi, rdx, rcx, r8, r9. */
constexpr size_t kArgumentPlaces[6] = {4, 3, 2, 1, 5, 6};

bool IsGeneral(ZydisRegister name) noexcept {
  switch (ZydisRegisterGetClass(name)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64: return true;
    default: return false;
  }
}

/** @param clears_above the instruction (VEX, EVEX) writes zeros above what it writes */
RegisterSet SetOf(ZydisRegister name, bool written, bool clears_above) noexcept {
  RegisterSet set;
  if (name == ZYDIS_REGISTER_NONE) return set;
  if (IsGeneral(name)) {
    const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, name);
    const int number = static_cast<int>(whole) - static_cast<int>(ZYDIS_REGISTER_RAX);
    if (number >= 0 && number < 16 && kPlaceOf[number] >= 0) {
      set.general = uint64_t{1} << kPlaceOf[number];
    }
    return set;
  }
  const ZyanI8 number = ZydisRegisterGetId(name);
  if (number < 0) return set;
  const uint64_t bit = uint64_t{1} << number;
  const ZydisRegisterClass kind = ZydisRegisterGetClass(name);
  switch (kind) {
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_YMM:
    case ZYDIS_REGCLASS_ZMM:
      if (static_cast<size_t>(number) >= kVectorCount) return set;
      set.vector = bit;
      if (kind != ZYDIS_REGCLASS_XMM || (written && clears_above)) set.wide |= bit;
      if (kind == ZYDIS_REGCLASS_ZMM || (written && clears_above)) set.wide |= bit << 32;
      return set;
    case ZYDIS_REGCLASS_MASK:
      if (static_cast<size_t>(number) < kMaskCount) set.vector = bit << kVectorCount;
      return set;
    default: return set;
  }
}

bool IsMask(ZydisRegister name) noexcept {
  return ZydisRegisterGetClass(name) == ZYDIS_REGCLASS_MASK;
}

/** What of two equal operands does not depend on their value. */
bool IgnoresEqualSources(ZydisMnemonic mnemonic) noexcept {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_XOR:
    case ZYDIS_MNEMONIC_SUB:
    case ZYDIS_MNEMONIC_SBB:
    case ZYDIS_MNEMONIC_PXOR:
    case ZYDIS_MNEMONIC_XORPS:
    case ZYDIS_MNEMONIC_XORPD:
    case ZYDIS_MNEMONIC_PSUBB:
    case ZYDIS_MNEMONIC_PSUBW:
    case ZYDIS_MNEMONIC_PSUBD:
    case ZYDIS_MNEMONIC_PSUBQ:
    case ZYDIS_MNEMONIC_PANDN:
    case ZYDIS_MNEMONIC_PCMPEQB:
    case ZYDIS_MNEMONIC_PCMPEQW:
    case ZYDIS_MNEMONIC_PCMPEQD:
    case ZYDIS_MNEMONIC_PCMPEQQ:
    case ZYDIS_MNEMONIC_PCMPGTB:
    case ZYDIS_MNEMONIC_PCMPGTW:
    case ZYDIS_MNEMONIC_PCMPGTD:
    case ZYDIS_MNEMONIC_PCMPGTQ:
    case ZYDIS_MNEMONIC_VPXOR:
    case ZYDIS_MNEMONIC_VPXORD:
    case ZYDIS_MNEMONIC_VPXORQ:
    case ZYDIS_MNEMONIC_VXORPS:
    case ZYDIS_MNEMONIC_VXORPD:
    case ZYDIS_MNEMONIC_VPSUBB:
    case ZYDIS_MNEMONIC_VPSUBW:
    case ZYDIS_MNEMONIC_VPSUBD:
    case ZYDIS_MNEMONIC_VPSUBQ:
    case ZYDIS_MNEMONIC_VPANDN:
    case ZYDIS_MNEMONIC_VPCMPEQB:
    case ZYDIS_MNEMONIC_VPCMPEQW:
    case ZYDIS_MNEMONIC_VPCMPEQD:
    case ZYDIS_MNEMONIC_VPCMPEQQ:
    case ZYDIS_MNEMONIC_VPCMPGTB:
    case ZYDIS_MNEMONIC_VPCMPGTW:
    case ZYDIS_MNEMONIC_VPCMPGTD:
    case ZYDIS_MNEMONIC_VPCMPGTQ:
    case ZYDIS_MNEMONIC_KXORB:
    case ZYDIS_MNEMONIC_KXORW:
    case ZYDIS_MNEMONIC_KXORD:
    case ZYDIS_MNEMONIC_KXORQ:
    case ZYDIS_MNEMONIC_KXNORB:
    case ZYDIS_MNEMONIC_KXNORW:
    case ZYDIS_MNEMONIC_KXNORD:
    case ZYDIS_MNEMONIC_KXNORQ: return true;
    default: return false;
  }
}

/**
 * Scalar operations that leave the rest of a vector register as it was. Nobody means that rest: in
 * the legacy form it is the destination's own, in the VEX form that of the second operand.
 */
bool MergesScalar(ZydisMnemonic mnemonic) noexcept {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_CVTSI2SD:
    case ZYDIS_MNEMONIC_CVTSI2SS:
    case ZYDIS_MNEMONIC_CVTSS2SD:
    case ZYDIS_MNEMONIC_CVTSD2SS:
    case ZYDIS_MNEMONIC_SQRTSS:
    case ZYDIS_MNEMONIC_SQRTSD:
    case ZYDIS_MNEMONIC_RCPSS:
    case ZYDIS_MNEMONIC_RSQRTSS:
    case ZYDIS_MNEMONIC_ROUNDSS:
    case ZYDIS_MNEMONIC_ROUNDSD:
    case ZYDIS_MNEMONIC_MOVSS:
    case ZYDIS_MNEMONIC_MOVSD:
    case ZYDIS_MNEMONIC_MOVLPS:
    case ZYDIS_MNEMONIC_MOVLPD:
    case ZYDIS_MNEMONIC_VCVTSI2SD:
    case ZYDIS_MNEMONIC_VCVTSI2SS:
    case ZYDIS_MNEMONIC_VCVTUSI2SD:
    case ZYDIS_MNEMONIC_VCVTUSI2SS:
    case ZYDIS_MNEMONIC_VCVTSS2SD:
    case ZYDIS_MNEMONIC_VCVTSD2SS:
    case ZYDIS_MNEMONIC_VSQRTSS:
    case ZYDIS_MNEMONIC_VSQRTSD:
    case ZYDIS_MNEMONIC_VRCPSS:
    case ZYDIS_MNEMONIC_VRSQRTSS:
    case ZYDIS_MNEMONIC_VROUNDSS:
    case ZYDIS_MNEMONIC_VROUNDSD:
    case ZYDIS_MNEMONIC_VRNDSCALESS:
    case ZYDIS_MNEMONIC_VRNDSCALESD:
    case ZYDIS_MNEMONIC_VMOVSS:
    case ZYDIS_MNEMONIC_VMOVSD: return true;
    default: return false;
  }
}

/** The result is defined by the other operands, though processors may wait for the old value. */
bool OnlyWrites(ZydisMnemonic mnemonic) noexcept {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_BSF:
    case ZYDIS_MNEMONIC_BSR:
    case ZYDIS_MNEMONIC_LAR:
    case ZYDIS_MNEMONIC_LSL:
    case ZYDIS_MNEMONIC_POPCNT:
    case ZYDIS_MNEMONIC_LZCNT:
    case ZYDIS_MNEMONIC_TZCNT: return true;
    default: return false;
  }
}

bool Sets(ZydisMnemonic mnemonic) noexcept {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MOVZX:
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD:
    case ZYDIS_MNEMONIC_LEA:
    case ZYDIS_MNEMONIC_MOVAPS:
    case ZYDIS_MNEMONIC_MOVAPD:
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVDQA:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_MOVSS:
    case ZYDIS_MNEMONIC_MOVSD:
    case ZYDIS_MNEMONIC_MOVD:
    case ZYDIS_MNEMONIC_MOVQ:
    case ZYDIS_MNEMONIC_VMOVAPS:
    case ZYDIS_MNEMONIC_VMOVAPD:
    case ZYDIS_MNEMONIC_VMOVUPS:
    case ZYDIS_MNEMONIC_VMOVDQA:
    case ZYDIS_MNEMONIC_VMOVDQU:
    case ZYDIS_MNEMONIC_VMOVSS:
    case ZYDIS_MNEMONIC_VMOVSD:
    case ZYDIS_MNEMONIC_VMOVD:
    case ZYDIS_MNEMONIC_VMOVQ: return true;
    default: return false;
  }
}

bool IsSpillBase(ZydisRegister base) noexcept {
  return base == ZYDIS_REGISTER_RSP || base == ZYDIS_REGISTER_RBP || base == ZYDIS_REGISTER_RAX;
}

/** The operands of one instruction, by what Zydis says of each and what it cannot say. */
class Reader {
 public:
  Reader(RegisterUse& use, const ZydisDecodedOperand* operands) noexcept
      : use_(use), raw_(use.instruction.raw), operands_(operands) {}

  void Run() noexcept {
    if (use_.instruction.IsPadding()) return;
    clears_above_ = raw_.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY;
    const bool constant = IsConstant();
    for (size_t index = 0; index < raw_.operand_count; ++index) {
      const ZydisDecodedOperand& operand = operands_[index];
      if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) ReadAddress(operand);
      if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
      ReadOperand(operand, index, constant);
    }
    ReadWhole();
    const ZydisMnemonic mnemonic = raw_.mnemonic;
    if (constant || (Sets(mnemonic) && IsRegister(Visible(0)))) use_.sets = use_.writes;
    use_.is_push = mnemonic == ZYDIS_MNEMONIC_PUSH;
    use_.is_syscall = mnemonic == ZYDIS_MNEMONIC_SYSCALL;
  }

 private:
  const ZydisDecodedOperand* Visible(size_t index) const noexcept {
    return index < raw_.operand_count_visible ? &operands_[index] : nullptr;
  }

  bool IsRegister(const ZydisDecodedOperand* operand) const noexcept {
    return operand != nullptr && operand->type == ZYDIS_OPERAND_TYPE_REGISTER;
  }

  /** xor of a register with itself and the like. */
  bool IsConstant() const noexcept {
    const size_t visible = raw_.operand_count_visible;
    if (visible < 2) return false;
    const ZydisDecodedOperand& last = operands_[visible - 1];
    if (last.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && IsRegister(Visible(0))) {
      const uint64_t value = last.imm.value.u;
      if (visible == 2) {
        if (raw_.mnemonic == ZYDIS_MNEMONIC_OR) return last.imm.value.s == -1;
        if (raw_.mnemonic == ZYDIS_MNEMONIC_AND) return value == 0;
      }
      if (raw_.mnemonic == ZYDIS_MNEMONIC_VPTERNLOGD ||
          raw_.mnemonic == ZYDIS_MNEMONIC_VPTERNLOGQ) {
        return (value & 0xff) == 0xff || (value & 0xff) == 0;
      }
      return false;
    }
    if (!IgnoresEqualSources(raw_.mnemonic)) return false;
    const ZydisDecodedOperand& other = operands_[visible - 2];
    return IsRegister(&last) && IsRegister(&other) && last.reg.value == other.reg.value;
  }

  void ReadAddress(const ZydisDecodedOperand& operand) noexcept {
    use_.reads |= SetOf(operand.mem.base, false, false);
    use_.reads |= SetOf(operand.mem.index, false, false);
    if (use_.instruction.IsIndirectJump() && operand.mem.base == ZYDIS_REGISTER_NONE &&
        operand.mem.index != ZYDIS_REGISTER_NONE && operand.mem.scale == 8) {
      use_.table_jump = true;
    }
  }

  void ReadOperand(const ZydisDecodedOperand& operand, size_t index, bool constant) noexcept {
    const ZydisRegister name = operand.reg.value;
    constexpr int kReads = ZYDIS_OPERAND_ACTION_MASK_READ;
    constexpr int kWrites = ZYDIS_OPERAND_ACTION_MASK_WRITE;
    bool reads = (operand.actions & kReads) != 0;
    const bool writes = (operand.actions & kWrites) != 0;
    const bool surely = (operand.actions & ZYDIS_OPERAND_ACTION_WRITE) != 0;
    // The other outcome of a conditional move is the value that stood there.
    if (writes && !surely) reads = true;
    if (constant || (writes && OnlyWrites(raw_.mnemonic))) reads = false;
    if (MergesScalar(raw_.mnemonic)) {
      const bool vex = clears_above_ && raw_.operand_count_visible >= 3;
      if (index == 0 && writes) reads = false;
      if (vex && index == 1 && !IsMask(name)) reads = false;
    }
    if (reads) use_.reads |= SetOf(name, false, false);
    if (writes && (surely || OnlyWrites(raw_.mnemonic))) {
      use_.writes |= SetOf(name, true, clears_above_);
    }
  }

  /** What depends on more than one operand. */
  void ReadWhole() noexcept {
    const ZydisDecodedOperand* first = Visible(0);
    const ZydisDecodedOperand* second = Visible(1);
    if (IsRegister(first) && ((first->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0 ||
                              use_.instruction.IsIndirectJump())) {
      use_.target = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, first->reg.value);
    }
    switch (raw_.mnemonic) {
      case ZYDIS_MNEMONIC_ADD:
        use_.adds_registers = IsRegister(first) && IsRegister(second) && first->size == 64;
        break;
      case ZYDIS_MNEMONIC_TEST:
        use_.tests_al = IsRegister(first) && IsRegister(second) &&
                        first->reg.value == ZYDIS_REGISTER_AL &&
                        second->reg.value == ZYDIS_REGISTER_AL;
        break;
      case ZYDIS_MNEMONIC_MOV:
        if (IsRegister(first) && first->reg.value == ZYDIS_REGISTER_EAX && second != nullptr &&
            second->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
          use_.sets_eax = true;
          use_.constant = second->imm.value.u & 0xffffffff;
        }
        [[fallthrough]];
      case ZYDIS_MNEMONIC_MOVAPS:
      case ZYDIS_MNEMONIC_VMOVAPS:
        use_.is_spill = first != nullptr && first->type == ZYDIS_OPERAND_TYPE_MEMORY &&
                        IsSpillBase(first->mem.base) && IsRegister(second);
        if (use_.is_spill) use_.displacement = first->mem.disp.value;
        break;
      case ZYDIS_MNEMONIC_VZEROUPPER: use_.writes.wide |= 0x0000ffff0000ffff; break;
      case ZYDIS_MNEMONIC_VZEROALL:
        use_.writes.vector |= 0xffff;
        use_.writes.wide |= 0x0000ffff0000ffff;
        break;
      default: break;
    }
  }

  RegisterUse& use_;
  const ZydisDecodedInstruction& raw_;
  const ZydisDecodedOperand* operands_;
  bool clears_above_ = false;
};

}  // namespace

RegisterSet RegisterSet::All() noexcept {
  return {(uint64_t{1} << kGeneralCount) - 1,
          (uint64_t{1} << (kVectorCount + kMaskCount)) - 1, ~uint64_t{0}};
}

RegisterSet RegisterSet::Arguments() noexcept {
  RegisterSet set;
  for (size_t index = 0; index < 6; ++index) set |= GeneralArgument(index);
  for (size_t index = 0; index < 8; ++index) set |= Vector(index);
  return set;
}

RegisterSet RegisterSet::Results() noexcept {
  return Rax() | GeneralArgument(2) | Vector(0) | Vector(1);
}

RegisterSet RegisterSet::GeneralArgument(size_t index) noexcept {
  return {uint64_t{1} << kArgumentPlaces[index], 0, 0};
}

RegisterSet RegisterSet::Vector(size_t index) noexcept {
  const uint64_t bit = uint64_t{1} << index;
  return {0, bit, 0};
}

RegisterSet RegisterSet::Rax() noexcept { return {1, 0, 0}; }

RegisterSet RegisterSet::Whole() const noexcept {
  RegisterSet whole;
  whole.general = general;
  const uint64_t vectors = (vector & 0xffffffff) | (wide & 0xffffffff) | (wide >> 32);
  whole.vector = vectors | (vector & ~uint64_t{0xffffffff});
  whole.wide = vectors | vectors << 32;
  return whole;
}

std::vector<std::string> RegisterSet::Names() const {
  std::vector<std::string> names;
  for (size_t place = 0; place < kGeneralCount; ++place) {
    if ((general >> place & 1) != 0) names.emplace_back(kGeneralNames[place]);
  }
  for (size_t index = 0; index < kVectorCount; ++index) {
    const uint64_t bit = uint64_t{1} << index;
    const char* width = (wide & bit << 32) != 0 ? "zmm" : (wide & bit) != 0 ? "ymm" : "xmm";
    if (((vector | wide | wide >> 32) & bit) != 0) names.push_back(width + std::to_string(index));
  }
  for (size_t index = 0; index < kMaskCount; ++index) {
    if ((vector >> (kVectorCount + index) & 1) != 0) names.push_back("k" + std::to_string(index));
  }
  return names;
}

RegisterUseDecoder::RegisterUseDecoder() noexcept {
  ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

bool RegisterUseDecoder::Decode(const uint8_t* bytes, size_t size,
                                RegisterUse* use) const noexcept {
  *use = RegisterUse{};
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (!ZYAN_SUCCESS(
          ZydisDecoderDecodeFull(&decoder_, bytes, size, &use->instruction.raw, operands))) {
    return false;
  }
  Reader(*use, operands).Run();
  return true;
}

}  // namespace polus::x86_64
