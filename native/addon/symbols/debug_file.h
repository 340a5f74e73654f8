#ifndef POLUS_SYMBOLS_DEBUG_FILE_H
#define POLUS_SYMBOLS_DEBUG_FILE_H

#include <string>
#include <vector>

#include "symbols/elf_file.h"
#include "symbols/file_identity.h"

namespace polus {

/** A separate debug file that was found; closed and empty if there is none. */
struct DebugFile {
  Descriptor file;
  std::string path;
};

/**
 * Looks for the separate debug file of a module: by build-id, then by .gnu_debuglink beside the
 * module, in its .debug/ and below /usr/lib/debug, each first below `root`, then on this machine.
 * What is found belongs to the module by its build-id, or by the link's checksum.
 *
 * @param module_path as the module was opened, also /proc/N/exe and /proc/N/map_files/…
 * @param root empty for this machine's own root
 */
DebugFile FindDebugFile(const ElfFile& module, const std::string& module_path,
                        const std::string& root);

/**
 * What stands under each name at which `FindDebugFile` looks, nothing where there is no file: as long as that
 * stays the same, so does what is found.
 */
std::vector<FileIdentity> DebugFileCandidates(const ElfFile& module, const std::string& module_path,
                                              const std::string& root);

/**
 * Looks for the supplementary file that .gnu_debugaltlink of a debug file names (dwz).
 * @param debug the file with the link
 * @param debug_path where that file is
 */
DebugFile FindSupplementaryFile(const ElfFile& debug, const std::string& debug_path,
                                const std::string& root);

}  // namespace polus

#endif
