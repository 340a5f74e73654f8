#ifndef POLUS_SYMBOLS_SYMBOL_NAMES_H
#define POLUS_SYMBOLS_SYMBOL_NAMES_H

#include <elf.h>

#include <cstdint>

namespace polus {

/** An STT_ number as the addon's typed face calls it. */
inline const char* SymbolKindName(uint8_t type) noexcept {
  switch (type) {
    case STT_FUNC: return "func";
    case STT_OBJECT: return "object";
    case STT_GNU_IFUNC: return "ifunc";
    case STT_TLS: return "tls";
    default: return "notype";
  }
}

/** An STB_ number as the addon's typed face calls it; STB_GNU_UNIQUE is global. */
inline const char* SymbolBindingName(uint8_t binding) noexcept {
  switch (binding) {
    case STB_LOCAL: return "local";
    case STB_WEAK: return "weak";
    default: return "global";
  }
}

/** An STV_ number as the addon's typed face calls it. */
inline const char* SymbolVisibilityName(uint8_t visibility) noexcept {
  switch (visibility) {
    case STV_HIDDEN: return "hidden";
    case STV_PROTECTED: return "protected";
    case STV_INTERNAL: return "internal";
    default: return "default";
  }
}

}  // namespace polus

#endif
