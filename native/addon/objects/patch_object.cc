#include "objects/patch_object.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <unordered_map>
#include <utility>

#include "failure.h"
#include "symbols/dynamic_tables.h"

namespace polus {

namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kLargestImage = uint64_t{1} << 30;
constexpr size_t kMostLoads = 64;
constexpr size_t kMostReplacements = 65536;

[[noreturn]] void Malformed(const std::string& what) {
  throw Failure("MALFORMED_OBJECT", "the object is malformed: " + what);
}

/** Bytes that a relocation changes, 0 for R_X86_64_NONE. */
uint64_t RelocatedSize(uint32_t type) noexcept {
  switch (type) {
    case R_X86_64_NONE: return 0;
    case R_X86_64_8:
    case R_X86_64_PC8: return 1;
    case R_X86_64_16:
    case R_X86_64_PC16: return 2;
    case R_X86_64_32:
    case R_X86_64_32S:
    case R_X86_64_PC32:
    case R_X86_64_PLT32:
    case R_X86_64_TPOFF32:
    case R_X86_64_DTPOFF32:
    case R_X86_64_SIZE32: return 4;
    case R_X86_64_TLSDESC: return 16;
    // The size of what is copied is the symbol's; the loader checks it.
    case R_X86_64_COPY: return 1;
    default: return 8;
  }
}

}  // namespace

PatchObject::PatchObject(FileImage image)
    : file_(ElfFile::FromImage(std::make_shared<FileImage>(std::move(image)), "the patch")) {
  if (!file_->IsX86_64() || file_->Type() != ET_DYN) return;
  ReadSegments();
  ReadTables();
  ReadReplacements();
}

void PatchObject::ReadSegments() {
  uint64_t end = 0;
  uint64_t first = 0;
  for (const ElfSegment& segment : file_->Segments()) {
    if (segment.type == PT_TLS && segment.memory_size > 0) has_tls = true;
    if (segment.type == PT_GNU_RELRO) {
      has_relro = true;
      relro_address = segment.address;
      relro_size = segment.memory_size;
    }
    if (segment.type != PT_LOAD) continue;
    if (segment.memory_size == 0) continue;
    auto contents = file_->BytesAtOffset(segment.offset, segment.file_size);
    if (!contents) Malformed("a segment leads beyond its end");
    if (segment.file_size > segment.memory_size) {
      Malformed("a segment is larger in the file than in memory");
    }
    if (segments.empty()) first = segment.address;
    if (!segments.empty() && segment.address < end) {
      Malformed("its segments overlap or are out of order");
    }
    if (segment.address < first || segment.address - first > kLargestImage ||
        segment.memory_size > kLargestImage) {
      Malformed("its segments span more than 1 GiB");
    }
    if ((segment.alignment & (segment.alignment - 1)) != 0 || segment.alignment > kLargestImage) {
      Malformed("a segment's alignment is no power of two");
    }
    if (((segment.address ^ segment.offset) & (kPage - 1)) != 0) {
      Malformed("a segment's address and file offset do not agree");
    }
    if (segments.size() == kMostLoads) Malformed("it has too many segments");
    end = segment.address + segment.memory_size;
    segments.push_back({segment, *contents});
  }
  if (segments.empty()) Malformed("it has nothing that could be loaded");
  // Linkers round the end up to a page.
  const uint64_t rounded = (end + kPage - 1) & ~(kPage - 1);
  if (has_relro && (relro_address < first || relro_address > rounded ||
                    relro_size > rounded - relro_address)) {
    Malformed("its read-only-after-relocation range lies outside its segments");
  }
}

void PatchObject::ReadTables() {
  if (file_->SegmentOfType(PT_DYNAMIC) == nullptr) Malformed("it has no dynamic section");
  const DynamicTables tables = DynamicTables::Read(*file_, true);
  needed = tables.needed;

  // Symbol 0 of the table is the reserved one, so that everything moves down by one.
  for (size_t index = 1; index < tables.symbols.size(); ++index) {
    const DynamicSymbol& source = tables.symbols[index];
    PatchSymbol symbol;
    symbol.name = source.name;
    symbol.defined = source.entry.st_shndx != SHN_UNDEF;
    symbol.address = symbol.defined ? source.entry.st_value : 0;
    symbol.size = source.entry.st_size;
    symbol.type = ELF64_ST_TYPE(source.entry.st_info);
    symbol.binding = ELF64_ST_BIND(source.entry.st_info);
    symbol.dynamic = true;
    symbol.version = source.version;
    if (symbol.defined && symbol.type == STT_TLS) has_tls = true;
    symbols.push_back(symbol);
  }
  const size_t dynamic_count = symbols.size();
  relocations.reserve(tables.relocations.size());
  for (const DynamicRelocation& source : tables.relocations) {
    if (source.symbol > dynamic_count) Malformed("a relocation names a symbol that does not exist");
    relocations.push_back(
        {source.address, source.type, static_cast<int64_t>(source.symbol) - 1, source.addend});
  }
  CheckRelocations();
  AddSectionSymbols();
  CountConstructors(tables.init_array, tables.init_array_size, tables.init);
}

void PatchObject::AddSectionSymbols() {
  const ElfSection* section = file_->SectionOfType(SHT_SYMTAB);
  Elf_Data* entries = section == nullptr ? nullptr : file_->Contents(*section);
  if (entries == nullptr) return;
  const ElfSection* names = file_->SectionAt(section->link);
  Elf_Data* strings = names == nullptr ? nullptr : file_->Contents(*names);
  if (strings == nullptr) Malformed("its symbol table has no names");
  has_symtab_ = true;
  const ByteView table{static_cast<const uint8_t*>(strings->d_buf), strings->d_size};

  std::set<std::pair<std::string_view, uint64_t>> known;
  for (const PatchSymbol& symbol : symbols) known.emplace(symbol.name, symbol.address);
  const size_t count = entries->d_size / sizeof(Elf64_Sym);
  GElf_Sym entry;
  for (size_t index = 1; index < count; ++index) {
    if (gelf_getsym(entries, static_cast<int>(index), &entry) == nullptr) break;
    const unsigned type = GELF_ST_TYPE(entry.st_info);
    if (type == STT_FILE || type == STT_SECTION || entry.st_shndx == SHN_UNDEF) continue;
    PatchSymbol symbol;
    symbol.name = StringAt(table, entry.st_name);
    symbol.binding = GELF_ST_BIND(entry.st_info);
    const size_t at = symbol.name.find('@');
    if (at != std::string_view::npos && at != 0 && symbol.binding != STB_LOCAL) {
      const size_t version = std::min(symbol.name.find_first_not_of('@', at), symbol.name.size());
      symbol.version = symbol.name.substr(version);
      symbol.name = symbol.name.substr(0, at);
    }
    if (symbol.name.empty()) continue;
    symbol.defined = true;
    symbol.address = entry.st_value;
    symbol.size = entry.st_size;
    symbol.type = static_cast<uint8_t>(type);
    if (symbol.type == STT_TLS) has_tls = true;
    if (symbol.binding != STB_LOCAL && known.count({symbol.name, symbol.address}) != 0) continue;
    symbols.push_back(symbol);
  }
}

void PatchObject::CheckRelocations() const {
  for (const PatchRelocation& relocation : relocations) {
    const uint64_t size = RelocatedSize(relocation.type);
    if (size == 0) continue;
    const auto holds = [&](const PatchSegment& segment) {
      const ElfSegment& header = segment.header;
      return relocation.address >= header.address && header.memory_size >= size &&
             relocation.address - header.address <= header.memory_size - size;
    };
    if (std::none_of(segments.begin(), segments.end(), holds)) {
      Malformed("a relocation lies outside its segments");
    }
  }
}

// The compiler's start files put one entry into every object: frame_dummy, whose whole body is a
// jump to register_tm_clones, behind an endbr64 where the start files were built with it.
bool PatchObject::LooksLikeFrameDummy(uint64_t address) const {
  auto code = file_->BytesAt(address, 5);
  if (!code) return false;
  static constexpr uint8_t kEndbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
  if (std::memcmp(code->data, kEndbr64, sizeof kEndbr64) == 0) {
    code = file_->BytesAt(address + sizeof kEndbr64, 5);
    if (!code) return false;
  }
  return code->data[0] == 0xe9;
}

void PatchObject::CountConstructors(uint64_t array, uint64_t size, uint64_t init) {
  if (size % sizeof(uint64_t) != 0 || (size > 0 && !file_->BytesAt(array, size))) {
    Malformed("its table of constructors leads out of the file");
  }
  std::unordered_map<uint64_t, const PatchRelocation*> by_address;
  for (const PatchRelocation& relocation : relocations) {
    if (relocation.address >= array && relocation.address - array < size) {
      by_address.emplace(relocation.address, &relocation);
    }
  }
  // Names only where there is a .symtab: the dynamic symbols alone do not tell static functions.
  std::unordered_map<uint64_t, std::string_view> functions;
  for (const PatchSymbol& symbol : symbols) {
    if (has_symtab_ && symbol.defined && symbol.type == STT_FUNC) {
      functions.emplace(symbol.address, symbol.name);
    }
  }
  bool dummy_seen = false;
  for (uint64_t place = array; place - array < size; place += sizeof(uint64_t)) {
    uint64_t target = 0;
    std::memcpy(&target, file_->BytesAt(place, sizeof target)->data, sizeof target);
    const auto found = by_address.find(place);
    if (found != by_address.end()) {
      const PatchRelocation& relocation = *found->second;
      target = static_cast<uint64_t>(relocation.addend);
      if (relocation.symbol >= 0) target += symbols[static_cast<size_t>(relocation.symbol)].address;
    }
    const auto function = functions.find(target);
    const bool is_dummy = function != functions.end()
                              ? function->second == "frame_dummy"
                              : !has_symtab_ && LooksLikeFrameDummy(target);
    if (is_dummy && !std::exchange(dummy_seen, true)) continue;
    ++constructors;
  }
  if (const ElfSection* section = file_->SectionNamed(".ctors")) {
    // Between a word of ones and a word of zeros.
    const uint64_t words = section->size / sizeof(uint64_t);
    if (section->type == SHT_PROGBITS && words > 2) {
      constructors += static_cast<uint32_t>(std::min<uint64_t>(words - 2, 65536));
    }
  }
  // `_init` comes with the start files and does nothing; another name was chosen by the author.
  const auto function = functions.find(init);
  if (init != 0 && function != functions.end() && function->second != "_init") ++constructors;
}

void PatchObject::ReadReplacements() {
  const ElfSection* section = file_->SectionNamed(".polus_replace");
  Elf_Data* data = section == nullptr ? nullptr : file_->Contents(*section);
  if (data == nullptr) return;
  const ByteView bytes{static_cast<const uint8_t*>(data->d_buf), data->d_size};
  if (bytes.data[bytes.size - 1] != 0) Malformed("its replacement table does not end with a NUL");
  for (size_t offset = 0; offset < bytes.size;) {
    const std::string_view entry = StringAt(bytes, offset);
    offset += entry.size() + 1;
    if (entry.empty()) continue;
    if (replacements.size() >= kMostReplacements) Malformed("its replacement table is too long");
    const size_t equals = entry.find('=');
    if (equals == 0 || equals == std::string_view::npos || equals + 1 == entry.size()) {
      Malformed("its replacement table has an entry that is not old=new");
    }
    replacements.push_back(entry);
  }
}

}  // namespace polus
