#ifndef POLUS_SYMBOLS_DYNAMIC_TABLES_H
#define POLUS_SYMBOLS_DYNAMIC_TABLES_H

#include <elf.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "symbols/elf_file.h"

namespace polus {

/** A symbol of the dynamic symbol table, with its version resolved. */
struct DynamicSymbol {
  std::string_view name;
  Elf64_Sym entry = {};
  /** Empty if unversioned. */
  std::string_view version;
  /** `false` only for `name@VERSION`, which new links do not bind to. */
  bool default_version = true;
};

/** A dynamic relocation; DT_RELR words are given as R_X86_64_RELATIVE. */
struct DynamicRelocation {
  uint64_t address = 0;
  uint32_t type = 0;
  /** Index into the dynamic symbols, 0 for none. */
  uint32_t symbol = 0;
  int64_t addend = 0;
};

/**
 * What the dynamic loader sees of a 64-bit x86 file: everything is found through PT_DYNAMIC, so it
 * is there without section headers too. Views lead into the file's image, which must stay.
 */
struct DynamicTables {
  /** Link-time address of `_DYNAMIC`, 0 without a PT_DYNAMIC. */
  uint64_t address = 0;
  std::string_view soname;
  std::vector<std::string_view> needed;
  std::vector<DynamicSymbol> symbols;
  std::vector<DynamicRelocation> relocations;
  /** DT_INIT_ARRAY, link-time. */
  uint64_t init_array = 0;
  uint64_t init_array_size = 0;
  /** DT_INIT, link-time; 0 if there is none. */
  uint64_t init = 0;

  /** Reads what is needed for names only, no symbols or relocations. */
  static DynamicTables ReadNames(const ElfFile& file);

  /**
   * Reads everything.
   * @param strict throw Failure MALFORMED_OBJECT where a table leads out of the file, else leave
   *   out what cannot be read
   */
  static DynamicTables Read(const ElfFile& file, bool strict);
};

}  // namespace polus

#endif
