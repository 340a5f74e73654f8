#ifndef POLUS_TYPES_DEBUG_INDEX_H
#define POLUS_TYPES_DEBUG_INDEX_H

#include <elfutils/libdw.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "symbols/name_table.h"

namespace polus {

class LinkedFile;

/** What a name at file scope stands for. */
enum class DebugKind : uint8_t {
  kVariable,
  kFunction,
  kEnumerator,
  kStruct,
  kUnion,
  kEnum,
  kTypedef,
  kBasic,
};

/** A debugging information entry with a name, at file scope (or an enumerator of such a type). */
struct DebugName {
  std::string_view name;
  Dwarf_Die die;
  /** Of an enumerator: its enum. */
  Dwarf_Die owner;
  /** Its compilation unit's entry. */
  uint32_t unit;
  DebugKind kind;
  /** Only declared here; the definition is elsewhere or nowhere. */
  bool declaration;
  bool external;
  /** Index of the next entry of the same name, `kNoName` for the last. */
  uint32_t next;
  /** Of the first of a name: index of the last. */
  uint32_t last;
};

constexpr uint32_t kNoName = NameTable::kNone;

/**
 * The names of one file's debug information, found in a single pass over the entries at file
 * scope when they are first asked for. Names are views into the debug sections, which the file
 * keeps. Not for several threads at once.
 */
class DebugIndex {
 public:
  /** @param linked must outlive the index */
  explicit DebugIndex(LinkedFile& linked);

  /** All entries of that name, in the order of the file; of equal complete types the first only. */
  std::vector<const DebugName*> Named(std::string_view name) const;

  /** Variables `name` with a fixed place or value in any block of a function of that name. */
  std::vector<Dwarf_Die> StaticsOf(std::string_view function, std::string_view name) const;

  /** Up to `limit` names of that kind that begin with `prefix`, sorted. */
  std::vector<std::string> Beginning(bool (*wanted)(DebugKind), std::string_view prefix,
                                     size_t limit) const;

  /** Paths of the compilation units that begin, or whose base names begin, with `prefix`; sorted. */
  std::vector<std::string> SourcesBeginning(std::string_view prefix, size_t limit) const;

  /** Path of a compilation unit, empty if it has no name. */
  const std::string& SourceOf(uint32_t unit) const { return sources_[unit]; }

 private:
  void AddUnit(const Dwarf_Die& unit);
  void AddEntry(const Dwarf_Die& die, const Dwarf_Die& unit, uint32_t number);
  void Add(const Dwarf_Die& die, const Dwarf_Die& owner, uint32_t unit, DebugKind kind, bool declaration);

  /** Grows without being copied: there may be millions. */
  std::deque<DebugName> all_;
  std::vector<std::string> sources_;
  /** Units of a supplementary file (dwz) that this file's units import. */
  std::unordered_set<const void*> imported_;
  std::vector<Dwarf_Die> to_import_;
  /** The first entry of each name. */
  NameTable by_name_;
};

/** Address of a variable with a fixed one, link-time; or its offset in the TLS block. */
struct VariablePlace {
  enum class Kind { kNone, kStatic, kTls, kConstant } kind = Kind::kNone;
  uint64_t value = 0;
  /** Of a constant that is not a number: its bytes. */
  std::vector<uint8_t> bytes;
};

/** Where a variable's value lives, by DW_AT_location or DW_AT_const_value. */
VariablePlace PlaceOf(const Dwarf_Die& variable);

}  // namespace polus

#endif
