#include "transfers/operands.h"

namespace polus {

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

std::optional<size_t> VectorNumber(ZydisRegister name) {
  const ZydisRegisterClass kind = ZydisRegisterGetClass(name);
  if (kind != ZYDIS_REGCLASS_XMM && kind != ZYDIS_REGCLASS_YMM) return std::nullopt;
  const auto number = static_cast<size_t>(ZydisRegisterGetId(name));
  return number < 16 ? std::optional<size_t>(number) : std::nullopt;
}

bool IsMemory(const ZydisDecodedOperand& operand) {
  return operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.type == ZYDIS_MEMOP_TYPE_MEM;
}

bool IsThreadLocal(const ZydisDecodedOperand& operand) {
  return operand.mem.segment == ZYDIS_REGISTER_FS;
}

Bytes BytesOf(uint64_t value, size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = ByteOrigin::Constant(static_cast<uint8_t>(value >> 8 * i));
  return bytes;
}

void Widen(Bytes& bytes, size_t size, bool is_signed) {
  const ByteOrigin fill = is_signed ? bytes.back().Sign() : ByteOrigin::Constant(0);
  bytes.resize(size, fill);
}

}  // namespace polus
