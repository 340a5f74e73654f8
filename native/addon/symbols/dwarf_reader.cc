#include "symbols/dwarf_reader.h"

#include <dwarf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "failure.h"
#include "symbols/debug_file.h"
#include "symbols/linked_file.h"

namespace polus {

namespace {

LinkedFile* FileBehind(void** userdata) noexcept { return static_cast<LinkedFile*>(*userdata); }

int FindElf(Dwfl_Module*, void** userdata, const char*, Dwarf_Addr, char** file_name, Elf** elf) {
  LinkedFile* linked = FileBehind(userdata);
  if (linked == nullptr) return -1;
  const std::shared_ptr<FileImage>& image = linked->File().Image();
  *elf = elf_memory(reinterpret_cast<char*>(image->MutableData()), image->Size());
  *file_name = strdup(linked->Path().c_str());
  return -1;
}

/**
 * Gives libdwfl a private copy of a file: it maps what it gets, and a file that somebody truncates
 * meanwhile would kill us by SIGBUS.
 */
int CopyForDwfl(const DebugFile& found, char** name) {
  try {
    const FileImage image = FileImage::Read(found.file.Get(), found.path);
    Descriptor copy(memfd_create("polus-debug-file", MFD_CLOEXEC));
    if (!copy.IsOpen()) return -1;
    size_t done = 0;
    while (done < image.Size()) {
      const ssize_t put = write(copy.Get(), image.Data() + done, image.Size() - done);
      if (put <= 0) return -1;
      done += static_cast<size_t>(put);
    }
    *name = strdup(found.path.c_str());
    return copy.Release();
  } catch (const std::exception&) {
    return -1;
  }
}

int FindDebugInfo(Dwfl_Module*, void** userdata, const char*, Dwarf_Addr, const char*,
                  const char* link, GElf_Word checksum, char** debug_name) {
  LinkedFile* linked = FileBehind(userdata);
  if (linked == nullptr) return -1;
  try {
    // libdwfl asks with a name and no checksum for the supplementary file of a dwz'd one.
    const ElfFile* debug = linked->DebugInfo();
    const bool is_supplementary =
        link != nullptr && checksum == 0 &&
        (linked->File().SectionNamed(".gnu_debugaltlink") != nullptr ||
         (debug != nullptr && debug->SectionNamed(".gnu_debugaltlink") != nullptr));
    if (is_supplementary) {
      if (linked->File().SectionNamed(".gnu_debugaltlink") != nullptr) {
        return CopyForDwfl(FindSupplementaryFile(linked->File(), linked->Path(), linked->Root()),
                           debug_name);
      }
      DebugFile found = FindDebugFile(linked->File(), linked->Path(), linked->Root());
      if (!found.file.IsOpen()) return -1;
      const auto file = ElfFile::FromDescriptor(std::move(found.file), found.path);
      return CopyForDwfl(FindSupplementaryFile(*file, found.path, linked->Root()), debug_name);
    }
    if (debug == nullptr) return -1;
    // Looked for once more, since its descriptor was not kept and its path may only be right below
    // the target's root.
    const DebugFile found = FindDebugFile(linked->File(), linked->Path(), linked->Root());
    return found.file.IsOpen() ? CopyForDwfl(found, debug_name) : -1;
  } catch (const std::exception&) {
    return -1;
  }
}

int NoSectionAddress(Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, GElf_Word,
                     const GElf_Shdr*, Dwarf_Addr*) {
  return -1;
}

const char* TextOf(Dwarf_Die* unit, unsigned name) {
  Dwarf_Attribute attribute;
  return dwarf_formstring(dwarf_attr(unit, name, &attribute));
}

/**
 * Whether a unit names a split file (.dwo) and that is a regular file: opening anything else might
 * wait for ever, and the name comes from a file that may be hostile.
 */
bool MayOpenSplit(Dwarf_Die* unit) {
  for (unsigned name : {DW_AT_dwo_name, DW_AT_GNU_dwo_name}) {
    const char* split = TextOf(unit, name);
    if (split == nullptr) continue;
    std::string path = split;
    const char* folder = TextOf(unit, DW_AT_comp_dir);
    if (path[0] != '/' && folder != nullptr) path = std::string(folder) + "/" + path;
    struct stat status;
    return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
  }
  return false;
}

const Dwfl_Callbacks kCallbacks = {FindElf, FindDebugInfo, NoSectionAddress, nullptr};

}  // namespace

bool SplitUnitOf(Dwarf_Die* unit, Dwarf_Die* split) {
  if (!MayOpenSplit(unit)) return false;
  Dwarf_Half version = 0;
  uint8_t type = 0;
  *split = {};
  return dwarf_cu_info(unit->cu, &version, &type, nullptr, split, nullptr, nullptr, nullptr) == 0 &&
         type == DW_UT_skeleton && split->cu != nullptr;
}

std::string PathOfUnit(Dwarf_Die* unit) {
  const char* name = TextOf(unit, DW_AT_name);
  Dwarf_Die split;
  // A skeleton has its name only in its split file.
  if (name == nullptr && SplitUnitOf(unit, &split)) name = TextOf(&split, DW_AT_name);
  if (name == nullptr || *name == '\0') return {};
  if (*name == '/') return name;
  const char* folder = TextOf(unit, DW_AT_comp_dir);
  if (folder == nullptr || *folder == '\0') return name;
  return std::string(folder) + "/" + name;
}

DwflHandle BeginDwfl() {
  DwflHandle dwfl(dwfl_begin(&kCallbacks));
  if (dwfl == nullptr) throw Failure("OUT_OF_MEMORY", "libdwfl cannot be started");
  return dwfl;
}

Dwfl_Module* ReportFile(Dwfl* dwfl, LinkedFile& linked, AddressRange extent) {
  if (extent.start >= extent.end) return nullptr;
  Dwfl_Module* reported =
      dwfl_report_module(dwfl, linked.Path().c_str(), extent.start, extent.end);
  if (reported == nullptr) return nullptr;
  void** userdata = nullptr;
  dwfl_module_info(reported, &userdata, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  *userdata = &linked;
  return reported;
}

DwarfReader::DwarfReader(LinkedFile& linked) : linked_(linked), dwfl_(BeginDwfl()) {
  dwfl_report_begin(dwfl_.get());
  reported_ = ReportFile(dwfl_.get(), linked_, linked_.Extent());
  dwfl_report_end(dwfl_.get(), nullptr, nullptr);
}

std::optional<std::string> DwarfReader::SourceOf(uint64_t address) {
  if (reported_ == nullptr || !linked_.HasDwarf()) return std::nullopt;
  Dwarf_Addr bias = 0;
  Dwarf_Die* unit = dwfl_module_addrdie(reported_, address, &bias);
  if (unit == nullptr) {
    // Some compilers write no .debug_aranges; the units themselves say what they cover.
    while ((unit = dwfl_module_nextcu(reported_, unit, &bias)) != nullptr) {
      if (dwarf_haspc(unit, address - bias) == 1) break;
    }
  }
  if (unit == nullptr) return std::nullopt;
  std::string path = PathOfUnit(unit);
  if (path.empty()) return std::nullopt;
  return path;
}

Dwarf* DwarfReader::Open() {
  if (reported_ == nullptr || !linked_.HasDwarf()) return nullptr;
  Dwarf_Addr bias = 0;
  return dwfl_module_getdwarf(reported_, &bias);
}

}  // namespace polus
