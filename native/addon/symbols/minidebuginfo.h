#ifndef POLUS_SYMBOLS_MINIDEBUGINFO_H
#define POLUS_SYMBOLS_MINIDEBUGINFO_H

#include <memory>

#include "symbols/elf_file.h"

namespace polus {

/**
 * The small ELF file with further symbols that some distributions put, compressed by xz, into
 * section .gnu_debugdata of stripped files.
 * @return null if there is none or it cannot be unpacked within 256 MiB
 */
std::unique_ptr<ElfFile> UnpackMiniDebugInfo(const ElfFile& module);

}  // namespace polus

#endif
