#ifndef POLUS_ENTRIES_DEAD_PADDING_H
#define POLUS_ENTRIES_DEAD_PADDING_H

#include <cstdint>
#include <vector>

#include "symbols/linked_file.h"

namespace polus {

/**
 * Ranges between functions that nothing executes: nops and int3 behind a function whose last
 * instruction control does not pass (or is a call that does not return), up to the next symbol, and
 * into which nothing branches. What a function shorter than a jump would need of its padding is left
 * out. Link-time addresses.
 *
 * @return those that overlap [start, end), in their whole length, in ascending order
 */
std::vector<AddressRange> FindDeadPadding(LinkedFile& linked, uint64_t start, uint64_t end);

}  // namespace polus

#endif
