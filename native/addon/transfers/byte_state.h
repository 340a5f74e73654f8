#ifndef POLUS_TRANSFERS_BYTE_STATE_H
#define POLUS_TRANSFERS_BYTE_STATE_H

#include <array>
#include <cstdint>
#include <map>
#include <vector>

namespace polus {

/** Where a byte comes from. */
struct ByteOrigin {
  enum class Kind : uint8_t { kUnknown, kConstant, kSource, kSign };
  Kind kind = Kind::kUnknown;
  uint8_t constant = 0;
  /** Offset in the source, of the byte or of the one whose sign it is. */
  uint32_t offset = 0;

  static ByteOrigin Constant(uint8_t value) { return {Kind::kConstant, value, 0}; }
  static ByteOrigin Source(uint32_t offset) { return {Kind::kSource, 0, offset}; }
  bool IsZero() const noexcept { return kind == Kind::kConstant && constant == 0; }
  bool OfSource() const noexcept { return kind == Kind::kSource || kind == Kind::kSign; }
  /** What fills a wider word by its sign. */
  ByteOrigin Sign() const noexcept {
    if (OfSource()) return {Kind::kSign, 0, offset};
    if (kind == Kind::kConstant) return Constant(constant & 0x80 ? 0xff : 0);
    return {};
  }
};

using Bytes = std::vector<ByteOrigin>;

/** What a pointer points into. */
enum class Region : uint8_t { kNone, kSource, kTarget, kStack };

/** A general register, or eight bytes of the stack. */
struct Word {
  Region region = Region::kNone;
  /** Where a pointer points to; its bytes are unknown then. */
  int64_t offset = 0;
  std::array<ByteOrigin, 8> bytes = {};

  static Word Pointer(Region region, int64_t offset) { return {region, offset, {}}; }
};

/** A byte of the target, and the store that it was written by. */
struct TargetByte {
  ByteOrigin origin;
  uint32_t store;
};

/** What is known at one place of a transfer function, on one way to it. */
struct ByteState {
  std::array<Word, 16> general;
  std::array<std::array<ByteOrigin, 32>, 16> vectors = {};
  /** By offset from the stack pointer at the entry. */
  std::map<int64_t, Word> stack;
  std::map<int64_t, TargetByte> target;
  uint32_t stores = 0;
};

}  // namespace polus

#endif
