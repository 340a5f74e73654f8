#ifndef POLUS_SYMBOLS_LINKED_FILE_H
#define POLUS_SYMBOLS_LINKED_FILE_H

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "symbols/dynamic_tables.h"
#include "symbols/elf_file.h"
#include "symbols/symbol_table.h"

namespace polus {

class BranchIndex;
class DwarfReader;
class TypeReader;

struct AddressRange {
  uint64_t start = 0;
  uint64_t end = 0;
};

/**
 * An ELF file as it was linked, with its separate debug file: what is the same wherever it is loaded. All
 * addresses are link-time addresses. Symbols, relocations and DWARF are read when they are first asked for
 * and then kept. Not for several threads at once.
 */
class LinkedFile {
 public:
  struct Opened {
    std::shared_ptr<LinkedFile> file;
    /** False if the file was open already. */
    bool anew = false;
  };

  /**
   * The file behind `path`, which is read once for all modules of this thread as long as neither it nor its
   * debug file changes: each process of a server loads the same files, mostly at other addresses.
   * @param root the target's root folder, where its debug files are looked for; empty for our own
   * @throws Failure NO_SUCH_FILE, NO_PERMISSION, NOT_A_FILE, FILE_TOO_LARGE, CANNOT_READ, NOT_ELF,
   *   TRUNCATED_ELF, MALFORMED_ELF, NOT_LOADABLE
   */
  static Opened Open(const std::string& path, const std::string& root);

  /**
   * A shared object that lies in some memory from its ELF header on, laid out by its segments' addresses: without
   * what is writable there, and without sections.
   * @param read copies so many bytes from an offset of it, or throws
   * @throws Failure NOT_ELF, TRUNCATED_ELF, MALFORMED_ELF, NOT_LOADABLE
   */
  static std::shared_ptr<LinkedFile> FromMemory(
      const std::string& name, uint64_t size,
      const std::function<void(uint64_t offset, void* into, size_t size)>& read);

  LinkedFile(const LinkedFile&) = delete;
  LinkedFile& operator=(const LinkedFile&) = delete;
  ~LinkedFile();

  /** As it was opened last: below /proc names come and go with their processes. */
  const std::string& Path() const noexcept { return path_; }
  const std::string& Root() const noexcept { return root_; }
  const ElfFile& File() const noexcept { return *file_; }
  /** Page-aligned range of all PT_LOADs. */
  AddressRange Extent() const noexcept { return extent_; }
  /** Start of the page that holds the first PT_LOAD's start. */
  uint64_t FirstPage() const noexcept { return first_page_; }
  /** Ranges of the executable PT_LOADs. */
  std::vector<AddressRange> Text() const;

  /** True if symbols and DWARF are in the file itself, so that no debug file is looked for. */
  bool IsComplete() const noexcept;

  /** Path of the separate debug file, empty if there is none. */
  const std::string& DebugPath();
  /** Opens the separate debug file, `nullptr` if there is none. */
  const ElfFile* DebugInfo();

  bool HasSymtab();
  bool HasDwarf();
  const DynamicTables& Dynamic();
  const SymbolTable& Symbols();

  /** Covering symbol of an address, `nullptr` if none. */
  const Symbol* SymbolAt(uint64_t address);

  /**
   * Starts of everything executable that is known to be a function of its own, sorted: by symbols and,
   * for stripped files, by the call frame information.
   */
  const std::vector<uint64_t>& FunctionStarts();

  /** Start of the next function, or the end of the text segment. @throws OUT_OF_RANGE */
  uint64_t NextFunctionStart(uint64_t address);

  BranchIndex& Branches();
  DwarfReader& Dwarf();
  /** Names and types by DWARF; empty for a file without. */
  TypeReader& Types();

 private:
  LinkedFile(std::unique_ptr<ElfFile> file, std::string path, std::string root);
  void LookForDebugFile();
  void AddFrameStarts(std::vector<uint64_t>* starts) const;
  bool IsText(uint64_t address) const noexcept;

  std::string path_;
  std::string root_;
  std::unique_ptr<ElfFile> file_;
  AddressRange extent_;
  uint64_t first_page_ = 0;

  bool looked_for_debug_ = false;
  std::string debug_path_;
  std::unique_ptr<ElfFile> debug_;
  std::unique_ptr<ElfFile> mini_;
  std::unique_ptr<DynamicTables> dynamic_;
  std::unique_ptr<SymbolTable> symbols_;
  std::unique_ptr<std::vector<uint64_t>> starts_;
  std::unique_ptr<BranchIndex> branches_;
  std::unique_ptr<DwarfReader> dwarf_;
  std::unique_ptr<TypeReader> types_;
};

}  // namespace polus

#endif
