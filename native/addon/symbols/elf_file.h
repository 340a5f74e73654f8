#ifndef POLUS_SYMBOLS_ELF_FILE_H
#define POLUS_SYMBOLS_ELF_FILE_H

#include <gelf.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "symbols/file_image.h"

namespace polus {

/** Bytes that belong to somebody else. */
struct ByteView {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

struct ElfSegment {
  uint32_t type = 0;
  uint32_t flags = 0;
  uint64_t offset = 0;
  uint64_t address = 0;
  uint64_t file_size = 0;
  uint64_t memory_size = 0;
  uint64_t alignment = 0;
};

struct ElfSection {
  Elf_Scn* handle = nullptr;
  std::string_view name;
  uint32_t type = 0;
  uint64_t flags = 0;
  uint64_t address = 0;
  uint64_t size = 0;
  uint64_t entry_size = 0;
  uint32_t link = 0;
};

struct ElfHandleEnd {
  void operator()(Elf* elf) const noexcept { elf_end(elf); }
};
using ElfHandle = std::unique_ptr<Elf, ElfHandleEnd>;

/**
 * Headers of an ELF file that may be hostile: everything that is handed out lies
 * inside the file. Contents come from memory or, for separate debug files, are
 * read section by section from a descriptor.
 */
class ElfFile {
 public:
  /**
   * Takes over an image and reads its headers.
   * @param name for messages only
   * @throws Failure NOT_ELF, TRUNCATED_ELF, MALFORMED_ELF
   */
  static std::unique_ptr<ElfFile> FromImage(std::shared_ptr<FileImage> image, const std::string& name);

  /** Same, but reads sections on demand from `file`, until `CloseFile`. */
  static std::unique_ptr<ElfFile> FromDescriptor(Descriptor file, const std::string& name);

  uint16_t Machine() const noexcept { return header_.e_machine; }
  uint16_t Type() const noexcept { return header_.e_type; }
  int Class() const noexcept { return class_; }
  bool IsLittleEndian() const noexcept { return header_.e_ident[EI_DATA] == ELFDATA2LSB; }
  /** 64-bit x86, the only kind whose code and dynamic tables are looked into. */
  bool IsX86_64() const noexcept {
    return class_ == 64 && IsLittleEndian() && header_.e_machine == EM_X86_64;
  }

  const std::vector<ElfSegment>& Segments() const noexcept { return segments_; }
  const std::vector<ElfSection>& Sections() const noexcept { return sections_; }
  const ElfSection* SectionNamed(std::string_view name) const noexcept;
  const ElfSection* SectionOfType(uint32_t type) const noexcept;
  const ElfSection* SectionAt(size_t index) const noexcept;
  const ElfSegment* SegmentOfType(uint32_t type) const noexcept;

  /** Contents in the host's byte order, `nullptr` where the file has none or is cut off. */
  Elf_Data* Contents(const ElfSection& section) const noexcept;

  /** File bytes behind a link-time address, as far as one PT_LOAD's file part covers all of it. */
  std::optional<ByteView> BytesAt(uint64_t address, uint64_t length) const noexcept;

  /** From `address` to the end of the file part of its PT_LOAD; empty if there is none. */
  ByteView BytesFrom(uint64_t address) const noexcept;

  /** Bytes by file offset, only for a file from an image. */
  std::optional<ByteView> BytesAtOffset(uint64_t offset, uint64_t length) const noexcept;

  /** Lower-case hexadecimal NT_GNU_BUILD_ID, empty if there is none. */
  std::string BuildId() const;

  /** The image, `nullptr` for a file from a descriptor. */
  const std::shared_ptr<FileImage>& Image() const noexcept { return image_; }

  /** Forgets the descriptor; contents that were asked for before stay. */
  void CloseFile() noexcept;

 private:
  ElfFile() = default;
  void ReadHeaders(const std::string& name, uint64_t file_size);
  void ReadSections();

  // The image and the descriptor must outlive the handle, so they come first.
  std::shared_ptr<FileImage> image_;
  Descriptor file_;
  ElfHandle elf_;
  GElf_Ehdr header_ = {};
  int class_ = 0;
  std::vector<ElfSegment> segments_;
  std::vector<ElfSection> sections_;
};

/** A NUL-terminated string of a string table, empty if it is not wholly inside. */
std::string_view StringAt(ByteView table, uint64_t offset) noexcept;

}  // namespace polus

#endif
