// Symbols and stacks of the target of live.cc, apart from it: both parts of the addon have a name
// ThreadState.
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sanitize {

class Unwinding {
 public:
  Unwinding(pid_t pid, const std::string &program);
  ~Unwinding();
  // Run-time address of a function of the program.
  uint64_t AddressOf(const std::string &function) const;
  // Throws if not a single frame is found.
  void Unwind(pid_t tid, const user_regs_struct &registers, uint64_t stack_start, const std::vector<uint8_t> &stack);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sanitize
