#ifndef POLUS_ENTRIES_KNOWN_FUNCTIONS_H
#define POLUS_ENTRIES_KNOWN_FUNCTIONS_H

#include <cstddef>
#include <optional>
#include <string_view>

namespace polus {

/** Whether a function of the C library (or of the compiler's) of that name never returns. */
bool NeverReturns(std::string_view name) noexcept;

/**
 * Number of integer arguments of functions whose code does not show it: those that the C library
 * chooses by an IFUNC, and (the named arguments of) those with a variable number of integers.
 */
std::optional<size_t> KnownArguments(std::string_view name) noexcept;

/** Number of arguments of a system call as far as it matters: 0 or, for all others, 1. */
size_t LeastSystemCallArguments(size_t number) noexcept;

}  // namespace polus

#endif
