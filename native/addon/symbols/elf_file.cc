#include "symbols/elf_file.h"

#include <cstring>

#include "failure.h"

namespace polus {

namespace {

constexpr size_t kMostSegments = 65536;
constexpr size_t kMostSections = 1 << 20;
constexpr size_t kLongestBuildId = 64;

bool Fits(uint64_t offset, uint64_t length, uint64_t size) noexcept {
  return offset <= size && length <= size - offset;
}

[[noreturn]] void ThrowTruncated(const std::string& name) {
  throw Failure("TRUNCATED_ELF", name + " is cut off: its headers lead beyond its end");
}

}  // namespace

std::string_view StringAt(ByteView table, uint64_t offset) noexcept {
  if (table.data == nullptr || offset >= table.size) return {};
  const char* start = reinterpret_cast<const char*>(table.data) + offset;
  const size_t room = table.size - offset;
  const void* end = std::memchr(start, 0, room);
  if (end == nullptr) return {};
  return std::string_view(start, static_cast<size_t>(static_cast<const char*>(end) - start));
}

std::unique_ptr<ElfFile> ElfFile::FromImage(std::shared_ptr<FileImage> image,
                                            const std::string& name) {
  elf_version(EV_CURRENT);
  std::unique_ptr<ElfFile> file(new ElfFile());
  file->image_ = std::move(image);
  const size_t size = file->image_->Size();
  if (size < SELFMAG || std::memcmp(file->image_->Data(), ELFMAG, SELFMAG) != 0) {
    throw Failure("NOT_ELF", name + " is not an ELF file");
  }
  file->elf_.reset(elf_memory(reinterpret_cast<char*>(file->image_->MutableData()), size));
  file->ReadHeaders(name, size);
  return file;
}

std::unique_ptr<ElfFile> ElfFile::FromDescriptor(Descriptor descriptor, const std::string& name) {
  elf_version(EV_CURRENT);
  std::unique_ptr<ElfFile> file(new ElfFile());
  file->file_ = std::move(descriptor);
  file->elf_.reset(elf_begin(file->file_.Get(), ELF_C_READ, nullptr));
  // libelf itself checks what it reads from a descriptor against the file's size.
  file->ReadHeaders(name, UINT64_MAX);
  return file;
}

void ElfFile::ReadHeaders(const std::string& name, uint64_t file_size) {
  Elf* elf = elf_.get();
  if (elf == nullptr) ThrowTruncated(name);
  if (elf_kind(elf) != ELF_K_ELF) {
    // libelf calls a file with a good magic number but a cut or odd header "unknown".
    if (file_size < sizeof(Elf64_Ehdr)) ThrowTruncated(name);
    throw Failure("NOT_ELF", name + " is not an ELF file of a known kind");
  }
  if (gelf_getehdr(elf, &header_) == nullptr) ThrowTruncated(name);
  class_ = gelf_getclass(elf) == ELFCLASS64 ? 64 : 32;

  const uint64_t entry_size = gelf_fsize(elf, ELF_T_PHDR, 1, EV_CURRENT);
  size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0 || count > kMostSegments) {
    throw Failure("MALFORMED_ELF", name + " has an unreadable program header table");
  }
  if (count > 0 && !Fits(header_.e_phoff, count * entry_size, file_size)) ThrowTruncated(name);
  segments_.reserve(count);
  for (size_t index = 0; index < count; ++index) {
    GElf_Phdr entry;
    if (gelf_getphdr(elf, static_cast<int>(index), &entry) == nullptr) ThrowTruncated(name);
    segments_.push_back({entry.p_type, entry.p_flags, entry.p_offset, entry.p_vaddr, entry.p_filesz,
                         entry.p_memsz, entry.p_align});
  }
  if (header_.e_shoff != 0 && header_.e_shnum != 0) {
    const uint64_t section_size = gelf_fsize(elf, ELF_T_SHDR, 1, EV_CURRENT);
    if (!Fits(header_.e_shoff, header_.e_shnum * section_size, file_size)) ThrowTruncated(name);
  }
  ReadSections();
}

void ElfFile::ReadSections() {
  Elf* elf = elf_.get();
  size_t names = 0;
  const bool has_names = elf_getshdrstrndx(elf, &names) == 0;
  Elf_Scn* handle = nullptr;
  while ((handle = elf_nextscn(elf, handle)) != nullptr && sections_.size() < kMostSections) {
    // elf_nextscn leaves out section 0; a gap would put indices out of step.
    const size_t index = elf_ndxscn(handle);
    if (index != sections_.size() + 1) break;
    GElf_Shdr entry;
    ElfSection section;
    section.handle = handle;
    if (gelf_getshdr(handle, &entry) != nullptr) {
      section.type = entry.sh_type;
      section.flags = entry.sh_flags;
      section.address = entry.sh_addr;
      section.size = entry.sh_size;
      section.entry_size = entry.sh_entsize;
      section.link = entry.sh_link;
      const char* name = has_names ? elf_strptr(elf, names, entry.sh_name) : nullptr;
      if (name != nullptr) section.name = name;
    }
    sections_.push_back(section);
  }
}

const ElfSection* ElfFile::SectionNamed(std::string_view name) const noexcept {
  for (const ElfSection& section : sections_) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

const ElfSection* ElfFile::SectionOfType(uint32_t type) const noexcept {
  for (const ElfSection& section : sections_) {
    if (section.type == type) return &section;
  }
  return nullptr;
}

const ElfSection* ElfFile::SectionAt(size_t index) const noexcept {
  if (index == 0 || index > sections_.size()) return nullptr;
  return &sections_[index - 1];
}

const ElfSegment* ElfFile::SegmentOfType(uint32_t type) const noexcept {
  for (const ElfSegment& segment : segments_) {
    if (segment.type == type) return &segment;
  }
  return nullptr;
}

Elf_Data* ElfFile::Contents(const ElfSection& section) const noexcept {
  if (section.handle == nullptr || section.type == SHT_NOBITS) return nullptr;
  Elf_Data* data = elf_getdata(section.handle, nullptr);
  if (data == nullptr || data->d_buf == nullptr || data->d_size == 0) return nullptr;
  return data;
}

std::optional<ByteView> ElfFile::BytesAtOffset(uint64_t offset, uint64_t length) const noexcept {
  if (image_ == nullptr || !Fits(offset, length, image_->Size())) return std::nullopt;
  return ByteView{image_->Data() + offset, static_cast<size_t>(length)};
}

std::optional<ByteView> ElfFile::BytesAt(uint64_t address, uint64_t length) const noexcept {
  for (const ElfSegment& segment : segments_) {
    if (segment.type != PT_LOAD || address < segment.address) continue;
    const uint64_t inside = address - segment.address;
    if (!Fits(inside, length, segment.file_size)) continue;
    if (inside > UINT64_MAX - segment.offset) continue;
    if (auto bytes = BytesAtOffset(segment.offset + inside, length)) return bytes;
  }
  return std::nullopt;
}

ByteView ElfFile::BytesFrom(uint64_t address) const noexcept {
  for (const ElfSegment& segment : segments_) {
    if (segment.type != PT_LOAD || address < segment.address) continue;
    const uint64_t inside = address - segment.address;
    if (inside >= segment.file_size) continue;
    if (auto bytes = BytesAt(address, segment.file_size - inside)) return *bytes;
  }
  return {};
}

std::string ElfFile::BuildId() const {
  static const char kDigits[] = "0123456789abcdef";
  for (const ElfSection& section : sections_) {
    if (section.type != SHT_NOTE) continue;
    Elf_Data* data = Contents(section);
    if (data == nullptr) continue;
    GElf_Nhdr note;
    size_t name = 0;
    size_t description = 0;
    size_t offset = 0;
    while ((offset = gelf_getnote(data, offset, &note, &name, &description)) > 0) {
      const char* bytes = static_cast<const char*>(data->d_buf);
      if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof "GNU" ||
          std::memcmp(bytes + name, "GNU", sizeof "GNU") != 0 || note.n_descsz == 0 ||
          note.n_descsz > kLongestBuildId) {
        continue;
      }
      std::string text;
      for (size_t index = 0; index < note.n_descsz; ++index) {
        const uint8_t byte = static_cast<uint8_t>(bytes[description + index]);
        text.push_back(kDigits[byte >> 4]);
        text.push_back(kDigits[byte & 15]);
      }
      return text;
    }
  }
  // Without section headers the note is still in a segment.
  for (const ElfSegment& segment : segments_) {
    if (segment.type != PT_NOTE || image_ == nullptr) continue;
    auto bytes = BytesAtOffset(segment.offset, segment.file_size);
    if (!bytes) continue;
    size_t offset = 0;
    while (bytes->size - offset >= 12) {
      uint32_t words[3];
      std::memcpy(words, bytes->data + offset, sizeof words);
      offset += sizeof words;
      const uint64_t name_size = (uint64_t{words[0]} + 3) & ~uint64_t{3};
      const uint64_t description_size = (uint64_t{words[1]} + 3) & ~uint64_t{3};
      if (name_size > bytes->size - offset || words[1] > bytes->size - offset - name_size) break;
      const uint8_t* description = bytes->data + offset + name_size;
      if (words[2] == NT_GNU_BUILD_ID && words[0] == sizeof "GNU" &&
          std::memcmp(bytes->data + offset, "GNU", sizeof "GNU") == 0 && words[1] > 0 &&
          words[1] <= kLongestBuildId) {
        std::string text;
        for (size_t index = 0; index < words[1]; ++index) {
          text.push_back(kDigits[description[index] >> 4]);
          text.push_back(kDigits[description[index] & 15]);
        }
        return text;
      }
      offset += name_size;
      if (description_size > bytes->size - offset) break;
      offset += description_size;
    }
  }
  return {};
}

void ElfFile::CloseFile() noexcept {
  if (!file_.IsOpen()) return;
  elf_cntl(elf_.get(), ELF_C_FDDONE);
  file_.Close();
}

}  // namespace polus
