#ifndef POLUS_ENTRIES_CODE_FLOW_H
#define POLUS_ENTRIES_CODE_FLOW_H

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "arch/x86_64/register_use.h"
#include "symbols/elf_file.h"

namespace polus {

class LinkedFile;

/** What a call of a function means for the registers that a callee may change. */
struct CallEffect {
  /** Read before written, from the entry on: arguments. */
  x86_64::RegisterSet reads;
  /** Written by the function itself. */
  x86_64::RegisterSet own_writes;
  /** Functions of the same file that it calls. */
  std::vector<uint64_t> callees;
  /** Written by it or by what it calls; without what calls it in turn (see WritesOf). */
  x86_64::RegisterSet writes;
  /** Set for nothing else than a return: results. */
  x86_64::RegisterSet results;
  /** Whether some way leads to a return. */
  bool returns = false;
  /** Whether `writes` is known to be all. */
  bool complete = true;
};

/**
 * Follows the code of one file: all ways from a place, both sides of conditional branches, through
 * direct jumps and jump tables, over calls whose effect is looked up or found out in the same way.
 * Link-time addresses.
 *
 * Compiled code reads no register that nobody has set and sets none that nobody reads; what can be
 * concluded from that is what these functions conclude.
 */
class CodeFlow {
 public:
  /** Effect of a function of another file, by name; none if unknown. */
  using Lookup = std::function<std::optional<CallEffect>(std::string_view name)>;

  /** @param linked for the starts of functions, jump tables and names; must outlive this */
  explicit CodeFlow(LinkedFile& linked, Lookup elsewhere = nullptr);

  /** Code alone, of a file that is no loaded module: jumps through tables are not followed. */
  explicit CodeFlow(const ElfFile& file);

  /** Effect of a call of the function at `entry`; remembered. */
  const CallEffect& EffectOf(uint64_t entry);

  /** What a call of the function may write, as far as calls can be followed. */
  x86_64::RegisterSet WritesOf(uint64_t entry);

  /**
   * Which of `open` are read before they are written, from `address` on.
   * @param function entry of the function that `address` belongs to, for what it returns
   */
  x86_64::RegisterSet ReadFrom(uint64_t address, x86_64::RegisterSet open, uint64_t function);

  /** The instruction at an address. @return false if there is none */
  bool Decode(uint64_t address, x86_64::RegisterUse* use) const;

 private:
  struct State {
    /** Registers that still hold what they held at the start. */
    x86_64::RegisterSet open;
    /** Registers that were set and not read since. */
    x86_64::RegisterSet pending;
    /** By which instructions, for those that carry arguments and results (see kCarriers). */
    std::array<uint64_t, 15> set_at = {};
    /** Number in eax, of a system call; ~0 if unknown. */
    uint64_t eax = ~uint64_t{0};
    /** Register that holds a sum of two: the target of a jump table's entry is one. */
    ZydisRegister sum = ZYDIS_REGISTER_NONE;
  };
  struct Walk;
  static State StartWith(const x86_64::RegisterSet& open);

  void Follow(Walk& walk);
  /** One instruction; leaves further addresses in the walk. @return false where the way ends */
  bool Step(Walk& walk, const x86_64::RegisterUse& use, uint64_t address, State& state);
  bool CallAt(Walk& walk, State& state, uint64_t address, uint64_t target);
  bool IsOtherFunction(uint64_t target, uint64_t address) const;
  bool CallElsewhere(Walk& walk, State& state, uint64_t address, std::string_view name);
  void Return(Walk& walk, const State& state);
  /** Arguments that a call of unknown code must have, going by what has been set for it. */
  x86_64::RegisterSet ArgumentsOf(Walk& walk, const State& state);
  /** Whether a pending register was set for what the way has come to, and nothing else. */
  bool IsSetFor(const State& state, size_t carrier);
  /** Jump through memory or a register. */
  void LeaveIndirectly(Walk& walk, const x86_64::RegisterUse& use, uint64_t address,
                       State& state);
  bool IsVariadic(uint64_t entry) const;
  /** GOT slot that a procedure linkage stub jumps through. */
  std::optional<uint64_t> StubSlot(uint64_t address) const;
  std::string_view NameOfSlot(uint64_t slot);
  std::vector<uint64_t> TableTargets(const x86_64::RegisterUse& use, uint64_t address);

  const ElfFile& file_;
  LinkedFile* linked_ = nullptr;
  Lookup elsewhere_;
  x86_64::RegisterUseDecoder decoder_;
  std::unordered_map<uint64_t, CallEffect> effects_;
  std::optional<std::unordered_map<uint64_t, std::string_view>> slots_;
  /** By carrier and instruction that sets it: whether some way reads it. */
  std::map<std::pair<size_t, uint64_t>, bool> read_elsewhere_;
  std::unordered_map<uint64_t, x86_64::RegisterSet> writes_;
  size_t depth_ = 0;
  // Of a file that may be hostile: time, and places that walks under way remember.
  size_t steps_left_ = size_t{1} << 26;
  size_t remembered_ = 0;
};

}  // namespace polus

#endif
