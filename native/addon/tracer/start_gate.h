// Stops a program that has just been executed at its entry point: the dynamic loader has
// done its work, and no instruction of the program itself has run.
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "../memory/target.h"

namespace polus {

// Executables by base name, or by path where the name has a slash.
class ProgramNames {
 public:
  ProgramNames() = default;
  explicit ProgramNames(std::set<std::string> names) : names_(std::move(names)) {}
  // Whether a process runs one of them now. False once it has ended.
  bool NameProgramOf(pid_t process) const;

 private:
  std::set<std::string> names_;
};

// The gate of one process. No breakpoint: a tracer that dies before the program comes to it
// would leave one behind, which kills. Instead the entry point that the dynamic loader reads
// from the auxiliary vector leads to a few bytes, in room of the text segment that belongs to
// nothing, that make a harmless system call and jump to the real one. A tracer sees the call;
// without one the program starts as ever.
class StartGate {
 public:
  // For a process that stands at its PTRACE_EVENT_EXEC stop, with these registers. Nothing if
  // there is no room for the gate, or what lies on the stack is not what the kernel puts there.
  // Throws as Target.
  static std::optional<StartGate> Set(pid_t process, const user_regs_struct &registers);

  // True at the end of the gate's call; for a program without a dynamic loader, which needs no
  // gate, at the end of its execve.
  bool IsAt(const user_regs_struct &registers) const;
  // Registers that go on at the real entry point.
  user_regs_struct Passed(user_regs_struct registers) const;
  // Takes the gate away. Only when no register leads to it any more.
  void Remove() const;

 private:
  explicit StartGate(pid_t process) : target_(std::make_shared<Target>(process)) {}

  std::shared_ptr<Target> target_;
  uint64_t gate_ = 0;  // 0: none is needed
  uint64_t entry_ = 0;
  uint64_t entry_slot_ = 0;  // where the auxiliary vector has it
  std::vector<uint8_t> covered_;
};

}  // namespace polus
