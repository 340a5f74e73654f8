#ifndef POLUS_ENTRIES_RELOCATE_ENTRY_H
#define POLUS_ENTRIES_RELOCATE_ENTRY_H

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace polus {

struct EntryRequest {
  /** Bytes from the function's entry on, as they are in memory. */
  const uint8_t* code = nullptr;
  size_t code_size = 0;
  /** Run-time address of the entry. */
  uint64_t address = 0;
  /** Bytes at the entry that will be overwritten. */
  size_t minimum = 0;
  /** Bytes up to the next symbol. */
  size_t room = 0;
  /** Size of the function by its symbol, 0 if unknown. */
  size_t size = 0;
  /** Where the copy will run. */
  uint64_t destination = 0;
};

struct RelocatedEntry {
  /** Bytes of whole instructions that the copy stands for. */
  size_t length = 0;
  /** The copy, for its destination only. */
  std::vector<uint8_t> code;
  /** Instruction starts: offset in the original, offset in the copy. */
  std::vector<std::pair<size_t, size_t>> boundaries;
  /**
   * Offsets below the minimum to which a call of the original returns. A thread that is inside such
   * a call holds a return address into bytes that will be overwritten.
   */
  std::vector<size_t> returns;
};

/**
 * Rewrites the first whole instructions of a function so that they do the same elsewhere, then jump
 * back behind them; without the jump where control never gets there.
 *
 * Branches among the covered instructions lead into the copy; all others, and every operand
 * relative to the instruction pointer, keep their absolute target.
 *
 * @throws Failure TOO_SHORT (fewer than the minimum of bytes belong to the function and its
 *   padding), UNDECODABLE, UNRELOCATABLE (out of reach of 32 bits, or a form that cannot be moved),
 *   BRANCH_INTO_ENTRY (the covered code takes an address among the overwritten bytes)
 */
RelocatedEntry RelocateEntry(const EntryRequest& request);

}  // namespace polus

#endif
