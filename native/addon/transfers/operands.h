#ifndef POLUS_TRANSFERS_OPERANDS_H
#define POLUS_TRANSFERS_OPERANDS_H

#include <Zydis/Zydis.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "transfers/byte_state.h"

namespace polus {

/** Numbers of general registers, as instructions encode them. */
constexpr size_t kRax = 0, kRsp = 4, kRbp = 5;

/** What a general register's name stands for. */
struct RegisterPart {
  size_t number;
  size_t size;
  /** 1 for ah, ch, dh and bh. */
  size_t first;
};

std::optional<RegisterPart> GeneralPart(ZydisRegister name);

/** Number of an xmm or ymm register that there is without AVX-512. */
std::optional<size_t> VectorNumber(ZydisRegister name);

bool IsMemory(const ZydisDecodedOperand& operand);

/** Whether it lies in thread-local storage, where neither object lies. */
bool IsThreadLocal(const ZydisDecodedOperand& operand);

/** A constant of `size` bytes. */
Bytes BytesOf(uint64_t value, size_t size);

/** By its sign, or by zeros. */
void Widen(Bytes& bytes, size_t size, bool is_signed);

}  // namespace polus

#endif
