#ifndef POLUS_TRANSFERS_BYTE_READER_H
#define POLUS_TRANSFERS_BYTE_READER_H

#include <Zydis/Zydis.h>

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_set>
#include <vector>

#include "symbols/elf_file.h"
#include "transfers/byte_state.h"
#include "transfers/plain_fields.h"

namespace polus {

/** Follows all ways through a transfer function, by what is known of bytes. */
class ByteReader {
 public:
  ByteReader(const ElfFile& file, const TransferCode& code);

  /** @return false if something was met of which nothing can be said */
  bool Follow();

  /** What the target holds at the end of each way. */
  const std::vector<std::map<int64_t, TargetByte>>& Ends() const noexcept { return ends_; }

  /** Bytes of the source that go into something else than a copy. */
  const std::unordered_set<uint32_t>& Opaque() const noexcept { return opaque_; }

 private:
  struct Way {
    uint64_t address;
    ByteState state;
    /** Where calls return to. */
    std::vector<uint64_t> returns;
    /** Places of this way in the functions that it is in: to come there again is a loop. */
    std::vector<std::set<uint64_t>> seen;
  };
  struct Decoded {
    ZydisDecodedInstruction raw;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    uint64_t next;
  };
  struct Place {
    Region region;
    int64_t offset;
  };
  enum class Outcome { kGoesOn, kEnds, kUnknown };

  bool Decode(uint64_t address, Decoded* decoded) const;
  Outcome Step(Way& way, const Decoded& decoded);
  Outcome Branch(Way& way, const Decoded& decoded);
  Outcome Call(Way& way, const Decoded& decoded);
  Outcome Known(Way& way, KnownCall call, uint64_t next);
  Outcome Return(Way& way);
  /** Instructions that only move bytes. @return nothing if it is none of them */
  std::optional<bool> Move(ByteState& state, const Decoded& decoded);
  std::optional<bool> MoveVector(ByteState& state, const Decoded& decoded);
  std::optional<bool> MovePointer(ByteState& state, const Decoded& decoded);
  /** Any other instruction: what it reads goes into it, and what it writes is unknown. */
  bool Other(ByteState& state, const Decoded& decoded);

  std::optional<Place> PlaceOf(const ByteState& state, const ZydisDecodedOperand& operand) const;
  std::optional<Bytes> Read(ByteState& state, const ZydisDecodedOperand& operand);
  bool Write(ByteState& state, const ZydisDecodedOperand& operand, const Bytes& bytes);
  std::optional<Bytes> Load(ByteState& state, const Place& place, size_t size);
  bool Store(ByteState& state, const Place& place, const Bytes& bytes);
  void Use(const ByteOrigin& origin);
  void Use(const Word& word);

  const ElfFile& file_;
  const TransferCode& code_;
  ZydisDecoder decoder_;
  std::vector<Way> ways_;
  std::vector<std::map<int64_t, TargetByte>> ends_;
  std::unordered_set<uint32_t> opaque_;
};

}  // namespace polus

#endif
