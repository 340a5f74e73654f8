#ifndef POLUS_TRANSFERS_PLAIN_FIELDS_H
#define POLUS_TRANSFERS_PLAIN_FIELDS_H

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "symbols/elf_file.h"

namespace polus {

/** Bytes that a transfer function merely copies. */
struct PlainField {
  /** Offset in what is copied from, and bytes there. */
  uint32_t from;
  uint32_t from_size;
  uint32_t to;
  uint32_t to_size;
  /** How it is widened where `to_size` is more. */
  bool is_signed;

  bool operator==(const PlainField& other) const noexcept {
    return from == other.from && from_size == other.from_size && to == other.to &&
           to_size == other.to_size && is_signed == other.is_signed;
  }
};

/** Functions that a transfer function may call without that any field of it becomes opaque. */
enum class KnownCall {
  /** polus_twin_of: its argument decides its result, and nothing else. */
  kTwin,
  /** memcpy */
  kCopy,
  /** One that never returns. */
  kEnd,
};

/** The code of `void transfer(const void *from, void *to)`. */
struct TransferCode {
  /** Link-time address. */
  uint64_t address = 0;
  /** What stands in slots of the global offset table, by their link-time addresses. */
  std::unordered_map<uint64_t, KnownCall> calls;
};

/**
 * The fields of which this can be proved, whatever the objects hold: the bytes in the source decide these
 * bytes of the target, by a copy or a widening, and nothing else that the function does. In order of `from`.
 *
 * All ways through the code are followed by provenance of bytes: of each byte in a register, on the stack and
 * in the target it is known whether it is a byte of the source, its sign, a constant, or anything else. A
 * byte of the source that goes into anything else (a comparison, a sum, a call) is no part of a plain field.
 * Nothing is proved of a function with a loop, with a call of anything unknown, or that reads or writes
 * elsewhere than in the two objects and on its stack.
 */
std::vector<PlainField> PlainFields(const ElfFile& file, const TransferCode& code);

}  // namespace polus

#endif
