// Starts our own helper programs, which stand beside the addon's file.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace polus {

struct HelperProgram {
  const char *name;
  std::vector<std::string> arguments;
  // Descriptors that it gets: ours, and the number that it knows them by. Of 0, 1 and 2, those
  // that are not named are /dev/null.
  std::vector<std::pair<int, int>> descriptors;
};

// Starts it with no signal blocked, and without POLUS_FAULT, whose points are polus's own.
// The caller waits for the process. Throws Failure `code` if it cannot be started.
pid_t StartHelper(const HelperProgram &program, const char *code);

// Waits until a helper has ended.
void AwaitHelper(pid_t pid);

}  // namespace polus
