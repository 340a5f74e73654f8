#include "symbols/dwarf_reader.h"

#include <dwarf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "failure.h"
#include "symbols/debug_file.h"
#include "symbols/module.h"

namespace polus {

namespace {

Module* ModuleBehind(void** userdata) noexcept { return static_cast<Module*>(*userdata); }

int FindElf(Dwfl_Module*, void** userdata, const char*, Dwarf_Addr, char** file_name, Elf** elf) {
  Module* module = ModuleBehind(userdata);
  if (module == nullptr) return -1;
  const std::shared_ptr<FileImage>& image = module->File().Image();
  *elf = elf_memory(reinterpret_cast<char*>(image->MutableData()), image->Size());
  *file_name = strdup(module->Path().c_str());
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
  Module* module = ModuleBehind(userdata);
  if (module == nullptr) return -1;
  try {
    // libdwfl asks with a name and no checksum for the supplementary file of a dwz'd one.
    const ElfFile* debug = module->DebugInfo();
    const bool is_supplementary =
        link != nullptr && checksum == 0 &&
        (module->File().SectionNamed(".gnu_debugaltlink") != nullptr ||
         (debug != nullptr && debug->SectionNamed(".gnu_debugaltlink") != nullptr));
    if (is_supplementary) {
      const bool own = module->File().SectionNamed(".gnu_debugaltlink") != nullptr;
      const std::string& path = own ? module->Path() : module->DebugPath();
      auto file = ElfFile::FromDescriptor(OpenForReading(path), path);
      return CopyForDwfl(FindSupplementaryFile(*file, path, module->Root()), debug_name);
    }
    if (debug == nullptr) return -1;
    const DebugFile found{OpenForReading(module->DebugPath()), module->DebugPath()};
    return CopyForDwfl(found, debug_name);
  } catch (const std::exception&) {
    return -1;
  }
}

int NoSectionAddress(Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, GElf_Word,
                     const GElf_Shdr*, Dwarf_Addr*) {
  return -1;
}

const Dwfl_Callbacks kCallbacks = {FindElf, FindDebugInfo, NoSectionAddress, nullptr};

}  // namespace

DwflHandle BeginDwfl() {
  DwflHandle dwfl(dwfl_begin(&kCallbacks));
  if (dwfl == nullptr) throw Failure("OUT_OF_MEMORY", "libdwfl cannot be started");
  return dwfl;
}

Dwfl_Module* ReportModule(Dwfl* dwfl, Module& module) {
  const AddressRange extent = module.Extent();
  if (extent.start >= extent.end) return nullptr;
  Dwfl_Module* reported =
      dwfl_report_module(dwfl, module.Path().c_str(), extent.start, extent.end);
  if (reported == nullptr) return nullptr;
  void** userdata = nullptr;
  dwfl_module_info(reported, &userdata, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  *userdata = &module;
  return reported;
}

DwarfReader::DwarfReader(Module& module) : module_(module), dwfl_(BeginDwfl()) {
  dwfl_report_begin(dwfl_.get());
  reported_ = ReportModule(dwfl_.get(), module_);
  dwfl_report_end(dwfl_.get(), nullptr, nullptr);
}

std::optional<std::string> DwarfReader::SourceOf(uint64_t address) {
  if (reported_ == nullptr || !module_.HasDwarf()) return std::nullopt;
  Dwarf_Addr bias = 0;
  Dwarf_Die* unit = dwfl_module_addrdie(reported_, address, &bias);
  if (unit == nullptr) {
    // Some compilers write no .debug_aranges; the units themselves say what they cover.
    while ((unit = dwfl_module_nextcu(reported_, unit, &bias)) != nullptr) {
      if (dwarf_haspc(unit, address - bias) == 1) break;
    }
  }
  if (unit == nullptr) return std::nullopt;
  Dwarf_Attribute attribute;
  const char* name = dwarf_formstring(dwarf_attr_integrate(unit, DW_AT_name, &attribute));
  if (name == nullptr || *name == '\0') return std::nullopt;
  if (*name == '/') return std::string(name);
  const char* folder = dwarf_formstring(dwarf_attr_integrate(unit, DW_AT_comp_dir, &attribute));
  if (folder == nullptr || *folder == '\0') return std::string(name);
  return std::string(folder) + "/" + name;
}

}  // namespace polus
