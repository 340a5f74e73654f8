#ifndef POLUS_FAILURE_H
#define POLUS_FAILURE_H

#include <stdexcept>
#include <string>
#include <utility>

namespace polus {

/**
 * An error with a stable code, as the plain C++ parts throw it. At the border
 * to JavaScript it becomes an `Error` whose property `code` is `code()`.
 */
class Failure : public std::runtime_error {
 public:
  /**
   * @param code stable name in capitals, such as "NOT_ELF"; must outlive the failure (a literal)
   * @param message one sentence for a person
   */
  Failure(const char* code, const std::string& message)
      : std::runtime_error(message), code_(code) {}

  const char* code() const noexcept { return code_; }

 private:
  const char* code_;
};

}  // namespace polus

#endif
