#ifndef POLUS_SYMBOLS_MODULE_H
#define POLUS_SYMBOLS_MODULE_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "symbols/debug_file.h"
#include "symbols/dynamic_tables.h"
#include "symbols/elf_file.h"
#include "symbols/symbol_table.h"

namespace polus {

class DwarfReader;
class BranchIndex;
class TypeReader;
class UnwindSession;

struct AddressRange {
  uint64_t start = 0;
  uint64_t end = 0;
};

/**
 * An ELF file as loaded at one address, with its separate debug file. Symbols, relocations and DWARF
 * are read when they are first asked for and then kept. Not for several threads at once.
 */
class Module {
 public:
  /**
   * @param path openable by this process
   * @param load_address where the page is mapped that holds the start of the first PT_LOAD
   * @param root the target's root folder, where its debug files are looked for; empty for our own
   * @throws Failure NO_SUCH_FILE, NO_PERMISSION, NOT_A_FILE, FILE_TOO_LARGE, CANNOT_READ, NOT_ELF,
   *   TRUNCATED_ELF, MALFORMED_ELF, NOT_LOADABLE
   */
  Module(std::string path, uint64_t load_address, std::string root);
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  ~Module();

  const std::string& Path() const noexcept { return path_; }
  const std::string& Root() const noexcept { return root_; }
  const ElfFile& File() const noexcept { return *file_; }
  /** Run-time minus link-time address (modulo 2^64). */
  uint64_t Bias() const noexcept { return bias_; }
  /** Page-aligned run-time range of all PT_LOADs. */
  AddressRange Extent() const noexcept { return extent_; }
  /** Run-time ranges of the executable PT_LOADs. */
  std::vector<AddressRange> Text() const;

  /** Path of the separate debug file, empty if there is none. */
  const std::string& DebugPath();
  /** Opens the separate debug file, `nullptr` if there is none. */
  const ElfFile* DebugInfo();

  bool HasSymtab();
  bool HasDwarf();
  const DynamicTables& Dynamic();
  const SymbolTable& Symbols();

  /** Run-time address of a symbol; for STT_TLS its offset. */
  uint64_t AddressOf(const Symbol& symbol) const noexcept {
    return symbol.type == STT_TLS ? symbol.address : symbol.address + bias_;
  }

  /** Covering symbol of a run-time address, `nullptr` if none. */
  const Symbol* SymbolAt(uint64_t address);

  /**
   * Link-time starts of everything executable that is known to be a function of its own, sorted: by
   * symbols and, for stripped files, by the call frame information.
   */
  const std::vector<uint64_t>& FunctionStarts();

  /** Run-time start of the next function, or the end of the text segment. @throws OUT_OF_RANGE */
  uint64_t NextFunctionStart(uint64_t address);

  /** File contents behind a run-time address. @throws Failure OUT_OF_RANGE */
  ByteView FileBytes(uint64_t address, uint64_t length) const;

  DwarfReader& Dwarf();
  /** Names and types by DWARF; empty for a module without. */
  TypeReader& Types();
  BranchIndex& Branches();
  /** State that unwinding keeps between threads; owned here so that it ends with the module. */
  std::shared_ptr<UnwindSession>& Unwinding() noexcept { return unwinding_; }

 private:
  void LookForDebugFile();
  void AddFrameStarts(std::vector<uint64_t>* starts) const;
  bool IsText(uint64_t link_address) const noexcept;

  std::string path_;
  std::string root_;
  std::unique_ptr<ElfFile> file_;
  uint64_t bias_ = 0;
  AddressRange extent_;

  bool looked_for_debug_ = false;
  std::string debug_path_;
  std::unique_ptr<ElfFile> debug_;
  std::unique_ptr<ElfFile> mini_;
  std::unique_ptr<DynamicTables> dynamic_;
  std::unique_ptr<SymbolTable> symbols_;
  std::unique_ptr<std::vector<uint64_t>> starts_;
  std::unique_ptr<DwarfReader> dwarf_;
  std::unique_ptr<TypeReader> types_;
  std::unique_ptr<BranchIndex> branches_;
  std::shared_ptr<UnwindSession> unwinding_;
};

}  // namespace polus

#endif
