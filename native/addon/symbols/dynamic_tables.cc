#include "symbols/dynamic_tables.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>

#include "failure.h"

namespace polus {

namespace {

constexpr uint64_t kMostSymbols = uint64_t{1} << 22;
constexpr uint64_t kMostRelocations = uint64_t{1} << 23;
constexpr size_t kMostVersions = 65536;

template <typename T>
bool Load(ByteView view, uint64_t offset, T* value) noexcept {
  if (offset > view.size || sizeof(T) > view.size - offset) return false;
  std::memcpy(value, view.data + offset, sizeof(T));
  return true;
}

/** The entries of a PT_DYNAMIC that are used, by their meaning. */
struct Entries {
  uint64_t symbols = 0, strings = 0, string_size = 0;
  uint64_t hash = 0, gnu_hash = 0;
  uint64_t version_symbols = 0, needs = 0, need_count = 0, definitions = 0, definition_count = 0;
  uint64_t rela = 0, rela_size = 0, jump_rela = 0, jump_rela_size = 0, jump_type = DT_RELA;
  uint64_t relr = 0, relr_size = 0;
  uint64_t soname = UINT64_MAX;
  std::vector<uint64_t> needed;
};

class Reader {
 public:
  Reader(const ElfFile& file, bool strict) : file_(file), strict_(strict) {}

  DynamicTables Read(bool names_only) {
    if (!ReadEntries()) return std::move(tables_);
    ReadStrings();
    if (entries_.soname != UINT64_MAX) tables_.soname = StringAt(strings_, entries_.soname);
    for (uint64_t offset : entries_.needed) {
      const std::string_view name = StringAt(strings_, offset);
      if (name.empty()) {
        Complain("a needed library has no name");
        continue;
      }
      tables_.needed.push_back(name);
    }
    if (names_only) return std::move(tables_);
    ReadRelocations();
    ReadVersions();
    ReadSymbols();
    return std::move(tables_);
  }

 private:
  void Complain(const char* what) const {
    if (strict_) throw Failure("MALFORMED_OBJECT", std::string("the object is malformed: ") + what);
  }

  bool ReadEntries() {
    const ElfSegment* segment = file_.SegmentOfType(PT_DYNAMIC);
    if (segment == nullptr || !file_.IsX86_64()) return false;
    auto bytes = file_.BytesAtOffset(segment->offset, segment->file_size);
    if (!bytes) {
      Complain("its dynamic section leads out of the file");
      return false;
    }
    tables_.address = segment->address;
    Elf64_Dyn entry;
    for (uint64_t offset = 0; Load(*bytes, offset, &entry); offset += sizeof entry) {
      const uint64_t value = entry.d_un.d_val;
      switch (entry.d_tag) {
        case DT_NULL: return true;
        case DT_SYMTAB: entries_.symbols = value; break;
        case DT_STRTAB: entries_.strings = value; break;
        case DT_STRSZ: entries_.string_size = value; break;
        case DT_HASH: entries_.hash = value; break;
        case DT_GNU_HASH: entries_.gnu_hash = value; break;
        case DT_VERSYM: entries_.version_symbols = value; break;
        case DT_VERNEED: entries_.needs = value; break;
        case DT_VERNEEDNUM: entries_.need_count = value; break;
        case DT_VERDEF: entries_.definitions = value; break;
        case DT_VERDEFNUM: entries_.definition_count = value; break;
        case DT_RELA: entries_.rela = value; break;
        case DT_RELASZ: entries_.rela_size = value; break;
        case DT_JMPREL: entries_.jump_rela = value; break;
        case DT_PLTRELSZ: entries_.jump_rela_size = value; break;
        case DT_PLTREL: entries_.jump_type = value; break;
        case DT_RELR: entries_.relr = value; break;
        case DT_RELRSZ: entries_.relr_size = value; break;
        case DT_SONAME: entries_.soname = value; break;
        case DT_INIT: tables_.init = value; break;
        case DT_REL: Complain("it has relocations without addends"); break;
        case DT_INIT_ARRAY: tables_.init_array = value; break;
        case DT_INIT_ARRAYSZ: tables_.init_array_size = value; break;
        case DT_NEEDED:
          if (entries_.needed.size() < 4096) entries_.needed.push_back(value);
          break;
        default: break;
      }
    }
    return true;
  }

  void ReadStrings() {
    if (entries_.strings == 0) return;
    strings_ = file_.BytesFrom(entries_.strings);
    if (strings_.size < entries_.string_size) Complain("its string table leads out of the file");
    strings_.size = static_cast<size_t>(std::min<uint64_t>(strings_.size, entries_.string_size));
  }

  void AddRelocations(uint64_t address, uint64_t size) {
    if (size == 0) return;
    auto bytes = file_.BytesAt(address, size);
    if (!bytes || size / sizeof(Elf64_Rela) > kMostRelocations || size % sizeof(Elf64_Rela) != 0) {
      Complain("a relocation table leads out of the file");
      return;
    }
    tables_.relocations.reserve(tables_.relocations.size() + size / sizeof(Elf64_Rela));
    Elf64_Rela entry;
    for (uint64_t offset = 0; Load(*bytes, offset, &entry); offset += sizeof entry) {
      const uint32_t symbol = static_cast<uint32_t>(ELF64_R_SYM(entry.r_info));
      highest_symbol_ = std::max(highest_symbol_, symbol);
      tables_.relocations.push_back(
          {entry.r_offset, static_cast<uint32_t>(ELF64_R_TYPE(entry.r_info)), symbol, entry.r_addend});
    }
  }

  // A RELR table packs addresses of words to be relocated by the bias: an even
  // entry is an address, an odd one a bitmap of the 63 words that follow.
  void AddPackedRelocations(uint64_t address, uint64_t size) {
    if (size == 0) return;
    auto bytes = file_.BytesAt(address, size);
    if (!bytes || size % sizeof(uint64_t) != 0) {
      Complain("its packed relocations lead out of the file");
      return;
    }
    uint64_t next = 0;
    uint64_t entry = 0;
    for (uint64_t offset = 0; Load(*bytes, offset, &entry); offset += sizeof entry) {
      if ((entry & 1) == 0) {
        AddRelative(entry);
        next = entry + sizeof entry;
        continue;
      }
      for (unsigned bit = 1; bit < 64; ++bit) {
        if ((entry >> bit) & 1) AddRelative(next + (bit - 1) * sizeof entry);
      }
      next += 63 * sizeof entry;
      if (tables_.relocations.size() > kMostRelocations) {
        Complain("it has too many relocations");
        return;
      }
    }
  }

  void AddRelative(uint64_t address) {
    uint64_t addend = 0;
    auto word = file_.BytesAt(address, sizeof addend);
    if (!word) {
      Complain("a packed relocation lies outside the file");
      return;
    }
    std::memcpy(&addend, word->data, sizeof addend);
    tables_.relocations.push_back({address, R_X86_64_RELATIVE, 0, static_cast<int64_t>(addend)});
  }

  void ReadRelocations() {
    // The linker may place DT_JMPREL's entries inside DT_RELA's range; count them once.
    uint64_t rela_size = entries_.rela_size;
    const bool inside = entries_.jump_rela >= entries_.rela && entries_.jump_rela_size != 0 &&
                        entries_.jump_rela - entries_.rela < rela_size;
    if (entries_.rela != 0) AddRelocations(entries_.rela, rela_size);
    if (entries_.jump_rela != 0 && !inside) {
      if (entries_.jump_type != DT_RELA) {
        Complain("its procedure linkage relocations are not of the kind with addends");
      } else {
        AddRelocations(entries_.jump_rela, entries_.jump_rela_size);
      }
    }
    if (entries_.relr != 0) AddPackedRelocations(entries_.relr, entries_.relr_size);
  }

  void ReadNeeds() {
    const ByteView view = entries_.needs == 0 ? ByteView{} : file_.BytesFrom(entries_.needs);
    uint64_t offset = 0;
    size_t steps = 0;
    for (uint64_t count = 0; count < entries_.need_count && count < kMostVersions; ++count) {
      Elf64_Verneed need;
      if (!Load(view, offset, &need)) return Complain("its version needs lead out of the file");
      uint64_t auxiliary = offset + need.vn_aux;
      for (unsigned index = 0; index < need.vn_cnt; ++index) {
        Elf64_Vernaux entry;
        // Entries may overlap in a hostile file, so it is steps that are counted.
        if (++steps > kMostVersions) return Complain("it needs too many versions");
        if (!Load(view, auxiliary, &entry)) return Complain("its version needs lead out of the file");
        versions_.emplace(entry.vna_other & 0x7fff, StringAt(strings_, entry.vna_name));
        if (entry.vna_next == 0) break;
        auxiliary += entry.vna_next;
      }
      if (need.vn_next == 0) break;
      offset += need.vn_next;
    }
  }

  void ReadDefinitions() {
    const ByteView view =
        entries_.definitions == 0 ? ByteView{} : file_.BytesFrom(entries_.definitions);
    uint64_t offset = 0;
    for (uint64_t count = 0; count < entries_.definition_count && count < kMostVersions; ++count) {
      Elf64_Verdef definition;
      Elf64_Verdaux name;
      if (!Load(view, offset, &definition) || !Load(view, offset + definition.vd_aux, &name)) {
        return Complain("its version definitions lead out of the file");
      }
      // The base definition names the file itself, not a version.
      if ((definition.vd_flags & VER_FLG_BASE) == 0) {
        versions_.emplace(definition.vd_ndx & 0x7fff, StringAt(strings_, name.vda_name));
      }
      if (definition.vd_next == 0) break;
      offset += definition.vd_next;
    }
  }

  void ReadVersions() {
    if (entries_.version_symbols == 0) return;
    ReadNeeds();
    ReadDefinitions();
  }

  uint64_t CountSymbols() const {
    for (const ElfSection& section : file_.Sections()) {
      if (section.type == SHT_DYNSYM && section.address == entries_.symbols) {
        return section.size / sizeof(Elf64_Sym);
      }
    }
    uint32_t counts[2];
    if (entries_.hash != 0 && Load(file_.BytesFrom(entries_.hash), 0, &counts)) return counts[1];
    return std::max<uint64_t>(CountByGnuHash(), uint64_t{highest_symbol_} + 1);
  }

  uint64_t CountByGnuHash() const {
    if (entries_.gnu_hash == 0) return 0;
    const ByteView view = file_.BytesFrom(entries_.gnu_hash);
    uint32_t header[4];  // buckets, first hashed symbol, bloom words, bloom shift
    if (!Load(view, 0, &header)) return 0;
    const uint64_t buckets = sizeof header + uint64_t{header[2]} * sizeof(uint64_t);
    const uint64_t chains = buckets + uint64_t{header[0]} * sizeof(uint32_t);
    uint32_t last = 0;
    for (uint64_t index = 0; index < header[0]; ++index) {
      uint32_t first = 0;
      if (!Load(view, buckets + index * sizeof first, &first)) return 0;
      last = std::max(last, first);
    }
    if (last < header[1]) return header[1];
    uint32_t value = 0;
    while (Load(view, chains + uint64_t{last - header[1]} * sizeof value, &value) &&
           last < kMostSymbols) {
      ++last;
      if (value & 1) break;
    }
    return last;
  }

  void ReadSymbols() {
    if (entries_.symbols == 0) return;
    const ByteView view = file_.BytesFrom(entries_.symbols);
    const uint64_t count = CountSymbols();
    if (count > kMostSymbols || count > view.size / sizeof(Elf64_Sym)) {
      Complain("its dynamic symbol table leads out of the file");
    }
    const ByteView versions =
        entries_.version_symbols == 0 ? ByteView{} : file_.BytesFrom(entries_.version_symbols);
    const uint64_t most = std::min<uint64_t>({count, kMostSymbols, view.size / sizeof(Elf64_Sym)});
    tables_.symbols.reserve(most);
    for (uint64_t index = 0; index < most; ++index) {
      DynamicSymbol symbol;
      Load(view, index * sizeof(Elf64_Sym), &symbol.entry);
      symbol.name = StringAt(strings_, symbol.entry.st_name);
      uint16_t version = 0;
      if (Load(versions, index * sizeof version, &version)) {
        const auto found = versions_.find(version & 0x7fff);
        if (found != versions_.end()) {
          symbol.version = found->second;
          symbol.default_version = (version & 0x8000) == 0;
        }
      }
      tables_.symbols.push_back(symbol);
    }
  }

  const ElfFile& file_;
  const bool strict_;
  DynamicTables tables_;
  Entries entries_;
  ByteView strings_;
  std::unordered_map<unsigned, std::string_view> versions_;
  uint32_t highest_symbol_ = 0;
};

}  // namespace

DynamicTables DynamicTables::ReadNames(const ElfFile& file) { return Reader(file, false).Read(true); }

DynamicTables DynamicTables::Read(const ElfFile& file, bool strict) {
  return Reader(file, strict).Read(false);
}

}  // namespace polus
