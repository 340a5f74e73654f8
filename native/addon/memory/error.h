// Failures of our own system calls, with the errno in words.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "../failure.h"

namespace polus {

inline Failure SystemError(const char *code, const std::string &what, int error = errno) {
  return Failure(code, what + ": " + std::strerror(error));
}

inline bool Is(const Failure &failure, std::string_view code) { return code == failure.code(); }

}  // namespace polus
