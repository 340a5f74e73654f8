#include "entries/relocate_entry.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "arch/x86_64/decoder.h"
#include "failure.h"

namespace polus {

namespace {

using x86_64::Instruction;
using x86_64::RelativeBranch;

constexpr size_t kJumpSize = 5;

/** One instruction of the original and its place in the copy. */
struct Covered {
  Instruction instruction;
  size_t offset = 0;
  size_t copy_offset = 0;
  size_t copy_size = 0;
};

std::string Offset(size_t offset) { return "offset " + std::to_string(offset); }

class Relocator {
 public:
  explicit Relocator(const EntryRequest& request)
      : request_(request), limit_(std::min(request.code_size, request.room)) {}

  RelocatedEntry Run() {
    Cover();
    Place();
    for (const Covered& covered : covered_) Emit(covered);
    if (falls_through_) EmitJump(0xe9, request_.address + length_);
    Verify();

    RelocatedEntry entry;
    entry.length = length_;
    for (const Covered& covered : covered_) {
      entry.boundaries.emplace_back(covered.offset, covered.copy_offset);
      const size_t next = covered.offset + covered.instruction.Length();
      const bool calls = covered.instruction.Branch() == RelativeBranch::kCall ||
                         covered.instruction.IsIndirectCall();
      if (calls && next < request_.minimum) entry.returns.push_back(next);
    }
    entry.code = std::move(code_);
    return entry;
  }

 private:
  [[noreturn]] void ThrowTooShort() const {
    throw Failure("TOO_SHORT", "the function has less room than the " +
                                   std::to_string(request_.minimum) + " bytes of a jump");
  }

  Instruction Decode(size_t offset) const {
    Instruction instruction;
    switch (decoder_.Try(request_.code + offset, request_.code_size - offset, &instruction)) {
      case x86_64::Decoder::Result::kInstruction: break;
      case x86_64::Decoder::Result::kCut: ThrowTooShort();
      case x86_64::Decoder::Result::kInvalid:
        throw Failure("UNDECODABLE",
                      "the function's code at " + Offset(offset) + " is no known instruction");
    }
    return instruction;
  }

  /** Whether a run-time address is among the bytes that are overwritten, the entry itself not. */
  bool IsOverwritten(uint64_t address) const {
    const uint64_t offset = address - request_.address;
    return offset > 0 && offset < request_.minimum;
  }

  // Walks over whole instructions until the minimum is covered, or until control cannot go on and
  // nothing before has branched further down into the bytes to be overwritten.
  void Cover() {
    if (request_.room < request_.minimum || request_.code_size < request_.minimum) ThrowTooShort();
    size_t offset = 0;
    size_t wanted = 0;
    while (offset < request_.minimum) {
      const Instruction instruction = Decode(offset);
      const size_t next = offset + instruction.Length();
      if (next > limit_) ThrowTooShort();
      const bool beyond_end = request_.size > 0 && offset >= request_.size;
      if (beyond_end && !instruction.IsPadding()) ThrowTooShort();
      covered_.push_back({instruction, offset, 0, 0});
      if (instruction.Branch() != RelativeBranch::kNone) {
        const uint64_t target = instruction.Target(request_.address + offset);
        if (IsOverwritten(target)) {
          wanted = std::max(wanted, static_cast<size_t>(target - request_.address) + 1);
        }
      }
      offset = next;
      if (instruction.EndsFlow() && wanted <= offset) {
        falls_through_ = false;
        break;
      }
    }
    length_ = offset;
    CheckPadding(offset);
  }

  void CheckPadding(size_t offset) const {
    while (offset < request_.minimum) {
      const Instruction instruction = Decode(offset);
      if (!instruction.IsPadding()) ThrowTooShort();
      offset += instruction.Length();
      if (offset > limit_) ThrowTooShort();
    }
  }

  bool IsCallToNext(const Covered& covered) const {
    return covered.instruction.Branch() == RelativeBranch::kCall &&
           covered.instruction.raw.raw.imm[0].value.s == 0;
  }

  void Place() {
    size_t place = 0;
    for (Covered& covered : covered_) {
      covered.copy_offset = place;
      covered.copy_size = CopySize(covered);
      place += covered.copy_size;
    }
  }

  size_t CopySize(const Covered& covered) const {
    const Instruction& instruction = covered.instruction;
    const size_t prefix = HasBound(instruction) ? 1 : 0;
    switch (instruction.Branch()) {
      case RelativeBranch::kNone: return instruction.Length();
      // push imm32, then the upper half by mov dword [rsp+4], imm32.
      case RelativeBranch::kCall: return IsCallToNext(covered) ? 13 : prefix + 5;
      case RelativeBranch::kJump: return prefix + 5;
      case RelativeBranch::kConditional:
      case RelativeBranch::kTransaction: return prefix + 6;
      case RelativeBranch::kCounted: return instruction.Length() + 2 + kJumpSize;
      default: break;
    }
    throw Failure("UNRELOCATABLE", "the branch at " + Offset(covered.offset) + " cannot be moved");
  }

  static bool HasPrefix(const Instruction& instruction, uint8_t prefix) {
    for (size_t index = 0; index < instruction.raw.raw.prefix_count; ++index) {
      if (instruction.raw.raw.prefixes[index].value == prefix) return true;
    }
    return false;
  }

  /** F2 before a branch is "bnd": it keeps bound registers, and is kept itself. */
  static bool HasBound(const Instruction& instruction) { return HasPrefix(instruction, 0xf2); }

  /** Where a branch of the copy goes: into the copy, if the original went to covered code. */
  uint64_t Redirect(uint64_t target, size_t offset) const {
    const uint64_t inside = target - request_.address;
    if (inside >= length_) {
      if (IsOverwritten(target)) ThrowInside(offset);
      return target;
    }
    for (const Covered& covered : covered_) {
      if (covered.offset == inside) return request_.destination + covered.copy_offset;
    }
    throw Failure("UNRELOCATABLE", "the branch at " + Offset(offset) +
                                       " leads into the middle of an instruction of the entry");
  }

  [[noreturn]] void ThrowInside(size_t offset) const {
    throw Failure("BRANCH_INTO_ENTRY", "the instruction at " + Offset(offset) +
                                           " refers to bytes that a jump would overwrite");
  }

  void Emit(const Covered& covered) {
    const Instruction& instruction = covered.instruction;
    const RelativeBranch branch = instruction.Branch();
    if (branch == RelativeBranch::kNone) return EmitCopied(covered);
    // With an operand size of 16 bits Intel's and AMD's processors do different things.
    if ((instruction.raw.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) != 0 &&
        instruction.raw.raw.rex.W == 0) {
      throw Failure("UNRELOCATABLE", "the branch at " + Offset(covered.offset) +
                                         " has a prefix whose meaning depends on the processor");
    }
    const uint64_t original = instruction.Target(request_.address + covered.offset);
    if (IsCallToNext(covered)) return EmitPush(original);
    // A call of the function itself is a new call: it goes to the entry, by way of the update.
    const bool recursive = branch == RelativeBranch::kCall && original == request_.address;
    const uint64_t target = recursive ? original : Redirect(original, covered.offset);
    if (branch != RelativeBranch::kCounted && HasBound(instruction)) code_.push_back(0xf2);
    switch (branch) {
      case RelativeBranch::kCall: return EmitJump(0xe8, target);
      case RelativeBranch::kJump: return EmitJump(0xe9, target);
      case RelativeBranch::kConditional:
        code_.push_back(0x0f);
        return EmitJump(0x80 | (instruction.raw.opcode & 0x0f), target);
      case RelativeBranch::kTransaction:
        code_.push_back(0xc7);
        return EmitJump(0xf8, target);
      default: break;
    }
    // Counting branches reach 127 bytes only: taken, they go to a jump next to them.
    const uint8_t* bytes = request_.code + covered.offset;
    code_.insert(code_.end(), bytes, bytes + instruction.Length() - 1);
    code_.push_back(2);
    code_.push_back(0xeb);
    code_.push_back(kJumpSize);
    EmitJump(0xe9, target);
  }

  void EmitCopied(const Covered& covered) {
    const Instruction& instruction = covered.instruction;
    const uint8_t* bytes = request_.code + covered.offset;
    const uint64_t next = request_.destination + code_.size() + instruction.Length();
    code_.insert(code_.end(), bytes, bytes + instruction.Length());
    // A nop may be encoded with an operand, which it does not use.
    if (!instruction.IsRipRelative() || instruction.IsPadding()) return;
    if (instruction.raw.address_width != 64) {
      throw Failure("UNRELOCATABLE", "the instruction at " + Offset(covered.offset) +
                                         " uses the lower half of the instruction pointer");
    }
    const uint64_t target = instruction.RipTarget(request_.address + covered.offset);
    if (IsOverwritten(target)) ThrowInside(covered.offset);
    const size_t place = code_.size() - instruction.Length() + instruction.raw.raw.disp.offset;
    PutDistance(place, target, next);
  }

  void EmitPush(uint64_t value) {
    code_.push_back(0x68);
    PutWord(static_cast<uint32_t>(value));
    // push moves the stack pointer by 8 and extends the sign; the upper half is put right.
    code_.insert(code_.end(), {0xc7, 0x44, 0x24, 0x04});
    PutWord(static_cast<uint32_t>(value >> 32));
  }

  void EmitJump(uint8_t opcode, uint64_t target) {
    code_.push_back(opcode);
    const size_t place = code_.size();
    PutWord(0);
    PutDistance(place, target, request_.destination + code_.size());
  }

  void PutWord(uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) code_.push_back(static_cast<uint8_t>(word >> shift));
  }

  void PutDistance(size_t place, uint64_t target, uint64_t next) {
    const int64_t distance = static_cast<int64_t>(target - next);
    if (distance < INT32_MIN || distance > INT32_MAX) {
      throw Failure("UNRELOCATABLE", "the copy lies too far from what the function's entry refers to");
    }
    const int32_t word = static_cast<int32_t>(distance);
    std::memcpy(code_.data() + place, &word, sizeof word);
  }

  /** Decodes the copy and compares it with the original, so that no wrong byte is ever run. */
  void Verify() const {
    for (const Covered& covered : covered_) {
      Instruction copy;
      const bool decoded = decoder_.Decode(code_.data() + covered.copy_offset,
                                           code_.size() - covered.copy_offset, &copy);
      const Instruction& original = covered.instruction;
      if (!decoded) ThrowInternal(covered.offset);
      if (IsCallToNext(covered)) continue;
      if (copy.raw.mnemonic != original.raw.mnemonic) ThrowInternal(covered.offset);
      if (original.Branch() == RelativeBranch::kNone) {
        if (copy.Length() != original.Length()) ThrowInternal(covered.offset);
        if (original.IsRipRelative() && !original.IsPadding() &&
            copy.RipTarget(request_.destination + covered.copy_offset) !=
                original.RipTarget(request_.address + covered.offset)) {
          ThrowInternal(covered.offset);
        }
        continue;
      }
      if (original.Branch() == RelativeBranch::kCounted) continue;
      const uint64_t target = original.Target(request_.address + covered.offset);
      const bool kept = original.Branch() == RelativeBranch::kCall && target == request_.address;
      if (copy.Length() != covered.copy_size ||
          copy.Target(request_.destination + covered.copy_offset) !=
              (kept ? target : Redirect(target, covered.offset))) {
        ThrowInternal(covered.offset);
      }
    }
  }

  [[noreturn]] static void ThrowInternal(size_t offset) {
    throw Failure("UNRELOCATABLE", "the copy of the instruction at " + Offset(offset) +
                                       " does not decode to the same instruction");
  }

  const EntryRequest& request_;
  const size_t limit_;
  x86_64::Decoder decoder_;
  std::vector<Covered> covered_;
  std::vector<uint8_t> code_;
  size_t length_ = 0;
  bool falls_through_ = true;
};

}  // namespace

RelocatedEntry RelocateEntry(const EntryRequest& request) { return Relocator(request).Run(); }

}  // namespace polus
