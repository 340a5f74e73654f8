// Asks a thread's own seccomp filters, before anything is done, what they would permit.
#pragma once

#include <linux/filter.h>

#include <array>
#include <cstdint>
#include <vector>

#include "tracee.h"

namespace polus {

class SeccompFilters {
 public:
  // Reads the filters of a stopped thread; an empty set permits everything.
  // Throws SECCOMP_DENIES if there are some that cannot be read (needs CAP_SYS_ADMIN).
  static SeccompFilters Of(const Tracee &tracee, int mode);

  // True if every filter answers ALLOW or LOG.
  bool Permits(long number, uint64_t instruction, const std::array<uint64_t, 6> &arguments) const;
  bool empty() const { return !strict_ && programs_.empty(); }

 private:
  bool strict_ = false;
  std::vector<std::vector<sock_filter>> programs_;
};

// Runs one classic BPF program over struct seccomp_data; returns its verdict, or
// SECCOMP_RET_KILL_PROCESS for a program that is not well formed.
uint32_t RunSeccompProgram(const std::vector<sock_filter> &program, long number, uint64_t instruction,
                           const std::array<uint64_t, 6> &arguments);

}  // namespace polus
