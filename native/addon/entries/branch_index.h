#ifndef POLUS_ENTRIES_BRANCH_INDEX_H
#define POLUS_ENTRIES_BRANCH_INDEX_H

#include <cstdint>
#include <vector>

#include "arch/x86_64/decoder.h"
#include "symbols/elf_file.h"
#include "symbols/linked_file.h"

namespace polus {

/** Something that leads to a place in a module's code. Link-time addresses. */
struct CodeReference {
  uint64_t to = 0;
  /** The branch, the lea that loads the jump table, or the word of data. */
  uint64_t from = 0;
};

/**
 * Everything in a module from which control can get to a fixed place of its code: direct branches,
 * addresses taken by lea, jump tables, and words of data that hold a code address. Found by one
 * linear sweep over the code that starts anew at each known function.
 *
 * What computes a target in other ways (hand-written tables of other forms, code outside the module)
 * is not seen.
 */
class BranchIndex {
 public:
  /** Sweeps the file. @throws Failure WRONG_MACHINE unless it is 64-bit x86 */
  explicit BranchIndex(LinkedFile& linked);

  /** All references to [start, end), by target. */
  std::vector<CodeReference> Into(uint64_t start, uint64_t end) const;

  /** Targets in the jump tables that a lea in [start, end) loads, by the lea's address. */
  std::vector<CodeReference> TablesLoadedIn(uint64_t start, uint64_t end) const;

 private:
  struct CodeRange {
    uint64_t start = 0;
    uint64_t end = 0;
    ByteView bytes;
  };

  void FindCode();
  void Sweep(const CodeRange& range);
  void SweepFunction(const CodeRange& range, uint64_t start, uint64_t end);
  void NoteCheck(const x86_64::Instruction& instruction);
  void Note(const x86_64::Instruction& instruction, uint64_t address);
  void ReadJumpTables(uint64_t start, uint64_t end);
  struct TableLoad;
  void ReadJumpTable(const TableLoad& load, const std::vector<AddressRange>& targets);
  void FindColdParts();
  void AddDataWords();
  bool IsCode(uint64_t address) const noexcept;

  LinkedFile& linked_;
  const ElfFile& file_;
  x86_64::Decoder decoder_;
  std::vector<CodeRange> code_;
  std::vector<CodeReference> references_;
  /** Those of them that come from jump tables, by their origin. */
  std::vector<CodeReference> tables_;

  /** A function and a part of it that the compiler placed elsewhere. */
  struct Part {
    uint64_t function = 0;
    AddressRange range;
  };
  std::vector<Part> parts_;
  bool looked_for_parts_ = false;

  /** A lea of an address outside the code, which may be a jump table's. */
  struct TableLoad {
    uint64_t table = 0;
    uint64_t from = 0;
    /** Entries that the compiler's bounds check allows, or that there are before the next table. */
    uint64_t most = 0;
  };

  // Of the function that is being swept.
  std::vector<TableLoad> table_loads_;
  uint64_t compared_with_ = 0;
  bool compared_ = false;
  /** Entries by the last bounds check, and how many instructions ago that was. */
  uint64_t checked_entries_ = 0;
  size_t since_check_ = 0;
  bool has_indirect_jump_ = false;
  size_t table_entries_left_ = size_t{1} << 22;
};

}  // namespace polus

#endif
