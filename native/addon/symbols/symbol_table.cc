#include "symbols/symbol_table.h"

#include <algorithm>
#include <cstring>

namespace polus {

namespace {

constexpr uint64_t kMostSymbols = uint64_t{1} << 23;

std::string_view BaseName(std::string_view path) noexcept {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool IsListed(unsigned type, unsigned section) noexcept {
  if (section == SHN_UNDEF || section == SHN_ABS || section == SHN_COMMON) return false;
  return type == STT_NOTYPE || type == STT_OBJECT || type == STT_FUNC || type == STT_TLS ||
         type == STT_GNU_IFUNC;
}

bool IsExecutable(uint64_t address, const ElfFile& file) noexcept {
  for (const ElfSegment& segment : file.Segments()) {
    if (segment.type == PT_LOAD && (segment.flags & PF_X) != 0 && address >= segment.address &&
        address - segment.address < segment.memory_size) {
      return true;
    }
  }
  return false;
}

/** How good a symbol names a place, among those that start at the same address. */
int Rank(const Symbol& symbol) noexcept {
  int rank = 0;
  if (symbol.size != 0) rank += 16;
  if (symbol.type != STT_NOTYPE) rank += 8;
  if (symbol.binding == STB_GLOBAL) rank += 4;
  if (symbol.binding == STB_WEAK) rank += 2;
  if (symbol.default_version) rank += 1;
  return rank;
}

uint64_t End(const Symbol& symbol) noexcept {
  return symbol.size > UINT64_MAX - symbol.address ? UINT64_MAX : symbol.address + symbol.size;
}

}  // namespace

void SymbolTable::Add(Symbol symbol) {
  if (symbols_.size() >= kMostSymbols) return;
  const uint32_t index = static_cast<uint32_t>(symbols_.size());
  const auto [place, fresh] =
      newest_.Insert(symbol.name, index, [this](uint32_t at) { return symbols_[at].name; });
  previous_.push_back(fresh ? NameTable::kNone : *place);
  *place = index;
  symbols_.push_back(symbol);
}

void SymbolTable::AddDynamic(const std::vector<DynamicSymbol>& symbols) {
  symbols_.reserve(symbols_.size() + symbols.size());
  for (const DynamicSymbol& dynamic : symbols) {
    const unsigned type = ELF64_ST_TYPE(dynamic.entry.st_info);
    if (dynamic.name.empty() || !IsListed(type, dynamic.entry.st_shndx)) continue;
    Symbol symbol;
    symbol.name = dynamic.name;
    symbol.address = dynamic.entry.st_value;
    symbol.size = dynamic.entry.st_size;
    symbol.type = static_cast<uint8_t>(type);
    symbol.binding = ELF64_ST_BIND(dynamic.entry.st_info);
    symbol.visibility = ELF64_ST_VISIBILITY(dynamic.entry.st_other);
    symbol.version = dynamic.version;
    symbol.default_version = dynamic.default_version;
    symbol.dynamic = true;
    dynamic_.insert({symbol.name, symbol.address});
    Add(symbol);
  }
}

void SymbolTable::AddSection(const ElfFile& file, const ElfSection& section) {
  Elf_Data* entries = file.Contents(section);
  const ElfSection* names = file.SectionAt(section.link);
  if (entries == nullptr || names == nullptr) return;
  Elf_Data* strings = file.Contents(*names);
  if (strings == nullptr) return;
  const ByteView table{static_cast<const uint8_t*>(strings->d_buf), strings->d_size};
  const size_t entry_size = file.Class() == 64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
  const uint64_t count = std::min<uint64_t>(entries->d_size / entry_size, kMostSymbols);
  symbols_.reserve(symbols_.size() + count);
  previous_.reserve(symbols_.size() + count);
  newest_.Reserve(symbols_.size() + count);

  std::string_view current_file;
  GElf_Sym entry;
  for (uint64_t index = 1; index < count; ++index) {
    if (gelf_getsym(entries, static_cast<int>(index), &entry) == nullptr) break;
    const unsigned type = GELF_ST_TYPE(entry.st_info);
    if (type == STT_FILE) {
      current_file = BaseName(StringAt(table, entry.st_name));
      continue;
    }
    if (!IsListed(type, entry.st_shndx)) continue;
    Symbol symbol;
    symbol.name = StringAt(table, entry.st_name);
    symbol.binding = GELF_ST_BIND(entry.st_info);
    // Linkers write the version of an exported symbol into its name.
    const size_t at = symbol.name.find('@');
    if (at != std::string_view::npos && at != 0 && symbol.binding != STB_LOCAL) {
      symbol.default_version = symbol.name.compare(at, 2, "@@") == 0;
      symbol.version = symbol.name.substr(at + (symbol.default_version ? 2 : 1));
      symbol.name = symbol.name.substr(0, at);
    }
    if (symbol.name.empty()) continue;
    symbol.address = entry.st_value;
    symbol.size = entry.st_size;
    symbol.type = static_cast<uint8_t>(type);
    symbol.visibility = GELF_ST_VISIBILITY(entry.st_other);
    if (symbol.binding == STB_LOCAL) {
      symbol.file = current_file;
    } else if (dynamic_.count({symbol.name, symbol.address}) != 0) {
      continue;
    }
    Add(symbol);
  }
}

void SymbolTable::Seal() {
  by_address_.reserve(symbols_.size());
  for (uint32_t index = 0; index < symbols_.size(); ++index) {
    if (symbols_[index].type != STT_TLS) by_address_.push_back(index);
  }
  std::sort(by_address_.begin(), by_address_.end(), [this](uint32_t left, uint32_t right) {
    const Symbol& a = symbols_[left];
    const Symbol& b = symbols_[right];
    if (a.address != b.address) return a.address < b.address;
    const int rank_a = Rank(a);
    const int rank_b = Rank(b);
    return rank_a != rank_b ? rank_a < rank_b : left > right;
  });
  highest_end_.reserve(by_address_.size());
  uint64_t highest = 0;
  for (uint32_t index : by_address_) {
    highest = std::max(highest, End(symbols_[index]));
    highest_end_.push_back(highest);
  }
}

std::vector<uint32_t> SymbolTable::Named(std::string_view name) const {
  std::vector<uint32_t> indices;
  const uint32_t newest =
      newest_.Find(name, [this](uint32_t at) { return symbols_[at].name; });
  for (uint32_t index = newest; index != NameTable::kNone; index = previous_[index]) {
    indices.push_back(index);
  }
  std::reverse(indices.begin(), indices.end());
  return indices;
}

const Symbol* SymbolTable::At(uint64_t address, const ElfFile& file) const {
  const auto after = std::upper_bound(
      by_address_.begin(), by_address_.end(), address,
      [this](uint64_t value, uint32_t index) { return value < symbols_[index].address; });
  size_t place = static_cast<size_t>(after - by_address_.begin());
  // Labels of hand-written code have no size: the nearest one before is taken, if nothing better
  // covers the address.
  const Symbol* label = nullptr;
  if (place > 0) {
    const Symbol& nearest = symbols_[by_address_[place - 1]];
    if (nearest.size == 0 && nearest.type != STT_OBJECT && IsExecutable(nearest.address, file) &&
        IsExecutable(address, file)) {
      label = &nearest;
    }
  }
  while (place > 0 && highest_end_[place - 1] > address) {
    const Symbol& symbol = symbols_[by_address_[place - 1]];
    if (End(symbol) > address) return &symbol;
    --place;
  }
  return label;
}

}  // namespace polus
