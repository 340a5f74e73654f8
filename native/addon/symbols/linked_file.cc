#include "symbols/linked_file.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <utility>

#include "entries/branch_index.h"
#include "failure.h"
#include "symbols/debug_file.h"
#include "symbols/dwarf_reader.h"
#include "symbols/file_identity.h"
#include "symbols/minidebuginfo.h"
#include "types/type_reader.h"

namespace polus {

namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kLargestInMemory = uint64_t{256} << 20;

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

/** The files that were asked for last. */
class RecentFiles {
 public:
  /** The file that is `identity` and whose debug file, looked for from there, is still the same. */
  std::shared_ptr<LinkedFile> Find(const FileIdentity& identity, const std::string& path,
                                   const std::string& root) {
    const auto found = std::find_if(files_.begin(), files_.end(), [&](const Entry& entry) {
      return entry.identity == identity && Candidates(*entry.file, path, root) == entry.candidates;
    });
    if (found == files_.end()) return nullptr;
    files_.splice(files_.begin(), files_, found);
    return found->file;
  }

  /** Remembers a file, unless it or its debug file may yet change without showing it. */
  void Add(const FileIdentity& identity, const std::shared_ptr<LinkedFile>& file) {
    Entry added{identity, Candidates(*file, file->Path(), file->Root()), file};
    const auto is_fresh = [](const FileIdentity& each) { return each.IsFresh(); };
    if (identity.IsFresh() ||
        std::any_of(added.candidates.begin(), added.candidates.end(), is_fresh)) {
      return;
    }
    files_.push_front(std::move(added));
    size_t bytes = 0;
    size_t count = 0;
    for (auto entry = files_.begin(); entry != files_.end(); ++entry) {
      bytes += entry->file->File().Image()->Size();
      if (++count <= kMostFiles && bytes <= kMostBytes) continue;
      files_.erase(entry, files_.end());
      return;
    }
  }

 private:
  struct Entry {
    FileIdentity identity;
    std::vector<FileIdentity> candidates;
    std::shared_ptr<LinkedFile> file;
  };
  static constexpr size_t kMostFiles = 64;
  static constexpr size_t kMostBytes = size_t{128} << 20;

  static std::vector<FileIdentity> Candidates(const LinkedFile& file, const std::string& path,
                                              const std::string& root) {
    if (file.IsComplete()) return {};
    return DebugFileCandidates(file.File(), path, root);
  }

  std::list<Entry> files_;
};

}  // namespace

LinkedFile::Opened LinkedFile::Open(const std::string& path, const std::string& root) {
  thread_local RecentFiles recent;
  const Descriptor descriptor = OpenForReading(path);
  const FileIdentity identity = FileIdentity::Of(descriptor.Get());
  if (std::shared_ptr<LinkedFile> known = recent.Find(identity, path, root)) {
    known->path_ = path;
    known->root_ = root;
    return {std::move(known), false};
  }
  auto image = std::make_shared<FileImage>(FileImage::Read(descriptor.Get(), path));
  std::shared_ptr<LinkedFile> file(
      new LinkedFile(ElfFile::FromImage(std::move(image), path), path, root));
  recent.Add(identity, file);
  return {std::move(file), true};
}

std::shared_ptr<LinkedFile> LinkedFile::FromMemory(
    const std::string& name, uint64_t size,
    const std::function<void(uint64_t offset, void* into, size_t size)>& read) {
  if (size < kPage || size > kLargestInMemory) {
    throw Failure("TRUNCATED_ELF", name + " has no size that makes sense");
  }
  std::vector<uint8_t> bytes(size);
  read(0, bytes.data(), kPage);
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_phentsize != sizeof(Elf64_Phdr)) {
    throw Failure("NOT_ELF", name + " does not begin with an ELF header");
  }
  const uint64_t table = header.e_phoff;
  if (table > kPage || header.e_phnum > (kPage - table) / sizeof(Elf64_Phdr)) {
    throw Failure("MALFORMED_ELF", name + " has its segments' headers elsewhere");
  }
  for (size_t index = 0; index < header.e_phnum; ++index) {
    uint8_t* place = bytes.data() + table + index * sizeof(Elf64_Phdr);
    Elf64_Phdr segment;
    std::memcpy(&segment, place, sizeof segment);
    const bool is_inside = segment.p_filesz <= size && segment.p_vaddr <= size - segment.p_filesz;
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) != 0) {
      segment.p_offset = 0;
      segment.p_filesz = 0;
    } else if (!is_inside) {
      throw Failure("TRUNCATED_ELF", name + " is cut off: a segment leads beyond its end");
    } else {
      // The headers are being changed here, and are read already.
      const uint64_t from = segment.p_vaddr < kPage ? kPage : segment.p_vaddr;
      const uint64_t end = segment.p_vaddr + segment.p_filesz;
      if (segment.p_type == PT_LOAD && from < end) read(from, bytes.data() + from, end - from);
      segment.p_offset = segment.p_vaddr;
    }
    std::memcpy(place, &segment, sizeof segment);
  }
  header.e_shoff = header.e_shnum = header.e_shstrndx = 0;
  std::memcpy(bytes.data(), &header, sizeof header);
  auto image = std::make_shared<FileImage>(FileImage::Copy(bytes.data(), bytes.size()));
  return std::shared_ptr<LinkedFile>(
      new LinkedFile(ElfFile::FromImage(std::move(image), name), name, std::string()));
}

LinkedFile::LinkedFile(std::unique_ptr<ElfFile> file, std::string path, std::string root)
    : path_(std::move(path)), root_(std::move(root)), file_(std::move(file)) {
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
  first_page_ = PageDown(first);
  extent_ = {PageDown(low), PageDown(high + kPage - 1)};
}

LinkedFile::~LinkedFile() = default;

std::vector<AddressRange> LinkedFile::Text() const {
  std::vector<AddressRange> ranges;
  for (const ElfSegment& segment : file_->Segments()) {
    if (segment.type != PT_LOAD || (segment.flags & PF_X) == 0) continue;
    ranges.push_back({segment.address, segment.address + segment.memory_size});
  }
  return ranges;
}

bool LinkedFile::IsText(uint64_t address) const noexcept {
  for (const ElfSegment& segment : file_->Segments()) {
    if (segment.type == PT_LOAD && (segment.flags & PF_X) != 0 && address >= segment.address &&
        address - segment.address < segment.memory_size) {
      return true;
    }
  }
  return false;
}

bool LinkedFile::IsComplete() const noexcept {
  return SymtabOf(file_.get()) != nullptr && HasDebugInfo(file_.get());
}

void LinkedFile::LookForDebugFile() {
  if (std::exchange(looked_for_debug_, true) || IsComplete()) return;
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

const std::string& LinkedFile::DebugPath() {
  LookForDebugFile();
  return debug_path_;
}

const ElfFile* LinkedFile::DebugInfo() {
  LookForDebugFile();
  return debug_.get();
}

bool LinkedFile::HasSymtab() {
  if (SymtabOf(file_.get()) != nullptr) return true;
  Symbols();
  return SymtabOf(debug_.get()) != nullptr || mini_ != nullptr;
}

bool LinkedFile::HasDwarf() {
  LookForDebugFile();
  return HasDebugInfo(file_.get()) || HasDebugInfo(debug_.get());
}

const DynamicTables& LinkedFile::Dynamic() {
  if (dynamic_ == nullptr) {
    dynamic_ = std::make_unique<DynamicTables>(DynamicTables::Read(*file_, false));
  }
  return *dynamic_;
}

const SymbolTable& LinkedFile::Symbols() {
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

const Symbol* LinkedFile::SymbolAt(uint64_t address) {
  if (address < extent_.start || address >= extent_.end) return nullptr;
  return Symbols().At(address, *file_);
}

const std::vector<uint64_t>& LinkedFile::FunctionStarts() {
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
void LinkedFile::AddFrameStarts(std::vector<uint64_t>* starts) const {
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

uint64_t LinkedFile::NextFunctionStart(uint64_t address) {
  for (const AddressRange& range : Text()) {
    if (address < range.start || address >= range.end) continue;
    const std::vector<uint64_t>& starts = FunctionStarts();
    const auto next = std::upper_bound(starts.begin(), starts.end(), address);
    return next != starts.end() && *next < range.end ? *next : range.end;
  }
  throw Failure("OUT_OF_RANGE", "the address is not inside the text of " + path_);
}

BranchIndex& LinkedFile::Branches() {
  if (branches_ == nullptr) branches_ = std::make_unique<BranchIndex>(*this);
  return *branches_;
}

DwarfReader& LinkedFile::Dwarf() {
  if (dwarf_ == nullptr) dwarf_ = std::make_unique<DwarfReader>(*this);
  return *dwarf_;
}

TypeReader& LinkedFile::Types() {
  if (types_ == nullptr) types_ = std::make_unique<TypeReader>(*this);
  return *types_;
}

}  // namespace polus
