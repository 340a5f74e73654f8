#ifndef POLUS_SYMBOLS_SYMBOL_TABLE_H
#define POLUS_SYMBOLS_SYMBOL_TABLE_H

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "symbols/dynamic_tables.h"
#include "symbols/elf_file.h"
#include "symbols/name_table.h"

namespace polus {

/** A defined symbol; views lead into the files it was read from. */
struct Symbol {
  std::string_view name;
  /** Link-time address; for STT_TLS the offset inside the TLS block. */
  uint64_t address = 0;
  uint64_t size = 0;
  /** Base name of the STT_FILE before it, empty if unknown or not local. */
  std::string_view file;
  std::string_view version;
  uint8_t type = STT_NOTYPE;
  uint8_t binding = STB_LOCAL;
  uint8_t visibility = STV_DEFAULT;
  bool default_version = true;
  bool dynamic = false;

  bool IsFunction() const noexcept { return type == STT_FUNC || type == STT_GNU_IFUNC; }
};

/**
 * All defined symbols of a module, merged from its tables: a symbol that is both in .dynsym and in
 * .symtab is there once.
 */
class SymbolTable {
 public:
  /** Adds .dynsym; call before AddSection so that duplicates are recognised. */
  void AddDynamic(const std::vector<DynamicSymbol>& symbols);

  /** Adds a .symtab of `file`, whose contents must outlive this table. */
  void AddSection(const ElfFile& file, const ElfSection& section);

  /** Builds the indices; to be called once, after the last Add. */
  void Seal();

  const std::vector<Symbol>& All() const noexcept { return symbols_; }

  /** Indices of the symbols of exactly that name. */
  std::vector<uint32_t> Named(std::string_view name) const;

  /** The symbol that covers a link-time address best, `nullptr` if none does. */
  const Symbol* At(uint64_t address, const ElfFile& file) const;

  /** Indices of all symbols that have an address (no TLS), by address. */
  const std::vector<uint32_t>& ByAddress() const noexcept { return by_address_; }

 private:
  void Add(Symbol symbol);

  /** A name at an address, to recognise a symbol of .dynsym in .symtab. */
  struct Place {
    std::string_view name;
    uint64_t address;
    bool operator==(const Place& other) const noexcept {
      return address == other.address && name == other.name;
    }
  };
  struct PlaceHash {
    size_t operator()(const Place& place) const noexcept {
      return std::hash<std::string_view>()(place.name) ^ (place.address * 0x9e3779b97f4a7c15u);
    }
  };

  std::vector<Symbol> symbols_;
  std::unordered_set<Place, PlaceHash> dynamic_;
  /** Name to the newest symbol of that name; older ones follow by `previous_`. */
  NameTable newest_;
  std::vector<uint32_t> previous_;
  std::vector<uint32_t> by_address_;
  /** Highest end of the symbols up to the same place in `by_address_`. */
  std::vector<uint64_t> highest_end_;
};

}  // namespace polus

#endif
