#ifndef POLUS_SYMBOLS_DWARF_READER_H
#define POLUS_SYMBOLS_DWARF_READER_H

#include <elfutils/libdwfl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace polus {

class LinkedFile;
struct AddressRange;

struct DwflEnd {
  void operator()(Dwfl* dwfl) const noexcept { dwfl_end(dwfl); }
};
using DwflHandle = std::unique_ptr<Dwfl, DwflEnd>;

/**
 * Starts a libdwfl session whose files are exactly those that a `LinkedFile` found; nothing is
 * downloaded and no further path is searched.
 */
DwflHandle BeginDwfl();

/**
 * Reports a file to a session between dwfl_report_begin and dwfl_report_end. It must outlive the session.
 * @param extent where it is loaded
 * @return `nullptr` if libdwfl refuses it
 */
Dwfl_Module* ReportFile(Dwfl* dwfl, LinkedFile& linked, AddressRange extent);

/**
 * The unit of a skeleton's split file (.dwo). False if `unit` is no skeleton, or its file is not to
 * be had or not a regular one.
 */
bool SplitUnitOf(Dwarf_Die* unit, Dwarf_Die* split);

/** Path of a compilation unit, absolute where its folder is known; empty if it has no name. */
std::string PathOfUnit(Dwarf_Die* unit);

/** Reads the DWARF of one file, its own or its debug file's, on demand. */
class DwarfReader {
 public:
  explicit DwarfReader(LinkedFile& linked);

  /** Path of the compilation unit that covers a link-time address, if DWARF knows one. */
  std::optional<std::string> SourceOf(uint64_t address);

  /** The debug information itself, `nullptr` if the file has none. Lives as long as the reader. */
  Dwarf* Open();

 private:
  LinkedFile& linked_;
  DwflHandle dwfl_;
  Dwfl_Module* reported_ = nullptr;
};

}  // namespace polus

#endif
