#include "symbols/module.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "entries/branch_index.h"
#include "failure.h"
#include "symbols/dwarf_reader.h"
#include "symbols/minidebuginfo.h"
#include "types/type_reader.h"
#include "unwind/unwind_session.h"

namespace polus {

namespace {

constexpr uint64_t kPage = 4096;

uint64_t PageDown(uint64_t address) noexcept { return address & ~(kPage - 1); }

const ElfSection* SymtabOf(const ElfFile* file) noexcept {
  if (file == nullptr) return nullptr;
  const ElfSection* section = file->SectionOfType(SHT_SYMTAB);
  return section != nullptr && file->Contents(*section) != nullptr ? section : nullptr;
}

bool HasDebugInfo(const ElfFile* file) noexcept {
  if (file == nullptr) return false;
  for (const char* name : {".debug_info", ".zdebug_info"}) {
    const ElfSection* section = file->SectionNamed(name);
    if (section != nullptr && section->type != SHT_NOBITS && section->size > 0) return true;
  }
  return false;
}

}  // namespace

Module::Module(std::string path, uint64_t load_address, std::string root)
    : path_(std::move(path)), root_(std::move(root)) {
  {
    Descriptor file = OpenForReading(path_);
    auto image = std::make_shared<FileImage>(FileImage::Read(file.Get(), path_));
    file_ = ElfFile::FromImage(std::move(image), path_);
  }
  bool found = false;
  uint64_t low = UINT64_MAX;
  uint64_t high = 0;
  uint64_t first = 0;
  for (const ElfSegment& segment : file_->Segments()) {
    if (segment.type != PT_LOAD) continue;
    if (segment.file_size > segment.memory_size ||
        segment.memory_size > UINT64_MAX - kPage - segment.address) {
      throw Failure("MALFORMED_ELF", path_ + " has a segment whose sizes do not fit");
    }
    if (segment.file_size > 0 && !file_->BytesAtOffset(segment.offset, segment.file_size)) {
      throw Failure("TRUNCATED_ELF", path_ + " is cut off: a segment leads beyond its end");
    }
    if (!found) first = segment.address;
    found = true;
    low = std::min(low, segment.address);
    high = std::max(high, segment.address + segment.memory_size);
  }
  if (!found) throw Failure("NOT_LOADABLE", path_ + " has nothing that could be loaded");
  bias_ = load_address - PageDown(first);
  extent_ = {PageDown(low) + bias_, PageDown(high + kPage - 1) + bias_};
}

Module::~Module() = default;

std::vector<AddressRange> Module::Text() const {
  std::vector<AddressRange> ranges;
  for (const ElfSegment& segment : file_->Segments()) {
    if (segment.type != PT_LOAD || (segment.flags & PF_X) == 0) continue;
    const uint64_t start = segment.address + bias_;
    ranges.push_back({start, start + segment.memory_size});
  }
  return ranges;
}

bool Module::IsText(uint64_t link_address) const noexcept {
  for (const ElfSegment& segment : file_->Segments()) {
    if (segment.type == PT_LOAD && (segment.flags & PF_X) != 0 && link_address >= segment.address &&
        link_address - segment.address < segment.memory_size) {
      return true;
    }
  }
  return false;
}

void Module::LookForDebugFile() {
  if (std::exchange(looked_for_debug_, true)) return;
  if (SymtabOf(file_.get()) != nullptr && HasDebugInfo(file_.get())) return;
  DebugFile found = FindDebugFile(*file_, path_, root_);
  if (!found.file.IsOpen()) return;
  try {
    auto debug = ElfFile::FromDescriptor(std::move(found.file), found.path);
    if (debug->Machine() != file_->Machine() || debug->Class() != file_->Class()) return;
    debug_ = std::move(debug);
    debug_path_ = found.path;
  } catch (const Failure&) {
    // A damaged debug file is as good as none.
  }
}

const std::string& Module::DebugPath() {
  LookForDebugFile();
  return debug_path_;
}

const ElfFile* Module::DebugInfo() {
  LookForDebugFile();
  return debug_.get();
}

bool Module::HasSymtab() {
  if (SymtabOf(file_.get()) != nullptr) return true;
  Symbols();
  return SymtabOf(debug_.get()) != nullptr || mini_ != nullptr;
}

bool Module::HasDwarf() {
  LookForDebugFile();
  return HasDebugInfo(file_.get()) || HasDebugInfo(debug_.get());
}

const DynamicTables& Module::Dynamic() {
  if (dynamic_ == nullptr) {
    dynamic_ = std::make_unique<DynamicTables>(DynamicTables::Read(*file_, false));
  }
  return *dynamic_;
}

const SymbolTable& Module::Symbols() {
  if (symbols_ != nullptr) return *symbols_;
  auto table = std::make_unique<SymbolTable>();
  table->AddDynamic(Dynamic().symbols);
  if (const ElfSection* section = SymtabOf(file_.get())) {
    table->AddSection(*file_, *section);
  } else {
    LookForDebugFile();
    if (const ElfSection* debug = SymtabOf(debug_.get())) {
      table->AddSection(*debug_, *debug);
    } else if ((mini_ = UnpackMiniDebugInfo(*file_)) != nullptr) {
      if (const ElfSection* mini = SymtabOf(mini_.get())) table->AddSection(*mini_, *mini);
    }
  }
  table->Seal();
  // The tables are in memory now; DWARF opens the file again if it is ever asked for.
  if (debug_ != nullptr) debug_->CloseFile();
  symbols_ = std::move(table);
  return *symbols_;
}

const Symbol* Module::SymbolAt(uint64_t address) {
  if (address < extent_.start || address >= extent_.end) return nullptr;
  return Symbols().At(address - bias_, *file_);
}

const std::vector<uint64_t>& Module::FunctionStarts() {
  if (starts_ != nullptr) return *starts_;
  auto starts = std::make_unique<std::vector<uint64_t>>();
  for (const Symbol& symbol : Symbols().All()) {
    if (symbol.type != STT_TLS && symbol.type != STT_OBJECT && IsText(symbol.address)) {
      starts->push_back(symbol.address);
    }
  }
  AddFrameStarts(starts.get());
  std::sort(starts->begin(), starts->end());
  starts->erase(std::unique(starts->begin(), starts->end()), starts->end());
  starts_ = std::move(starts);
  return *starts_;
}

// .eh_frame_hdr holds a table of (start, description) pairs, sorted for binary search, both relative
// to the table's section. Every linker writes it in this one encoding.
void Module::AddFrameStarts(std::vector<uint64_t>* starts) const {
  constexpr uint8_t kSignedDataRelative = 0x3b;
  const ElfSegment* segment = file_->SegmentOfType(PT_GNU_EH_FRAME);
  if (segment == nullptr || !file_->IsX86_64()) return;
  const ByteView view = file_->BytesFrom(segment->address);
  // Version 1, pointer to .eh_frame in 4 bytes, count in 4 bytes, table as above.
  if (view.size < 12 || view.data[0] != 1 || (view.data[1] & 0x0f) != 0x0b ||
      view.data[2] != 0x03 || view.data[3] != kSignedDataRelative) {
    return;
  }
  uint32_t count = 0;
  std::memcpy(&count, view.data + 8, sizeof count);
  const uint64_t most = std::min<uint64_t>(count, (view.size - 12) / 8);
  for (uint64_t index = 0; index < most; ++index) {
    int32_t offset = 0;
    std::memcpy(&offset, view.data + 12 + index * 8, sizeof offset);
    const uint64_t start = segment->address + static_cast<uint64_t>(static_cast<int64_t>(offset));
    if (IsText(start)) starts->push_back(start);
  }
}

uint64_t Module::NextFunctionStart(uint64_t address) {
  for (const AddressRange& range : Text()) {
    if (address < range.start || address >= range.end) continue;
    const std::vector<uint64_t>& starts = FunctionStarts();
    const auto next = std::upper_bound(starts.begin(), starts.end(), address - bias_);
    if (next != starts.end() && *next + bias_ < range.end) return *next + bias_;
    return range.end;
  }
  throw Failure("OUT_OF_RANGE", "the address is not inside the text of " + path_);
}

ByteView Module::FileBytes(uint64_t address, uint64_t length) const {
  if (auto bytes = file_->BytesAt(address - bias_, length)) return *bytes;
  throw Failure("OUT_OF_RANGE", path_ + " holds nothing for these addresses");
}

DwarfReader& Module::Dwarf() {
  if (dwarf_ == nullptr) dwarf_ = std::make_unique<DwarfReader>(*this);
  return *dwarf_;
}

TypeReader& Module::Types() {
  if (types_ == nullptr) types_ = std::make_unique<TypeReader>(*this);
  return *types_;
}

BranchIndex& Module::Branches() {
  if (branches_ == nullptr) branches_ = std::make_unique<BranchIndex>(*this);
  return *branches_;
}

}  // namespace polus
