#ifndef POLUS_OBJECTS_PATCH_OBJECT_H
#define POLUS_OBJECTS_PATCH_OBJECT_H

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "symbols/elf_file.h"

namespace polus {

/** A symbol of a patch object; views lead into the object's image. */
struct PatchSymbol {
  std::string_view name;
  /** Link-time address, 0 for undefined ones. */
  uint64_t address = 0;
  uint64_t size = 0;
  uint8_t type = STT_NOTYPE;
  uint8_t binding = STB_LOCAL;
  bool defined = false;
  bool dynamic = false;
  std::string_view version;
};

struct PatchRelocation {
  uint64_t address = 0;
  uint32_t type = 0;
  /** Index into the symbols, -1 for none. */
  int64_t symbol = -1;
  int64_t addend = 0;
};

/** A PT_LOAD with its file contents. */
struct PatchSegment {
  ElfSegment header;
  ByteView contents;
};

/**
 * A patch, read from an ordinary shared object and checked: segments are in order, do not overlap
 * and lie in the file, relocations lie in segments and name symbols that exist.
 */
class PatchObject {
 public:
  /**
   * Reads a patch. Another machine, class or type of file is not an error: then only those fields
   * are filled in.
   * @throws Failure NOT_ELF, TRUNCATED_ELF, MALFORMED_ELF, MALFORMED_OBJECT
   */
  explicit PatchObject(FileImage image);

  const ElfFile& File() const noexcept { return *file_; }

  std::vector<PatchSegment> segments;
  bool has_relro = false;
  uint64_t relro_address = 0;
  uint64_t relro_size = 0;
  bool has_tls = false;
  std::vector<std::string_view> needed;
  std::vector<PatchSymbol> symbols;
  std::vector<PatchRelocation> relocations;
  uint32_t constructors = 0;
  std::vector<std::string_view> replacements;

 private:
  void ReadSegments();
  void ReadTables();
  void AddSectionSymbols();
  void CheckRelocations() const;
  void CountConstructors(uint64_t array, uint64_t size, uint64_t init);
  void ReadReplacements();
  bool LooksLikeFrameDummy(uint64_t address) const;

  std::unique_ptr<ElfFile> file_;
  bool has_symtab_ = false;
};

}  // namespace polus

#endif
