// Copies of threads' registers and stacks, taken one thread after another, for unwinding at leisure.
#pragma once

#include <sys/user.h>

#include <cstdint>
#include <vector>

#include "tracee_table.h"
#include "watchdog_process.h"

namespace polus {

struct ThreadCopy {
  pid_t tid;
  user_regs_struct registers;
  uint64_t stack_start;
  std::vector<uint8_t> stack;
  uint64_t held_us;
};

// Holds each thread for a few microseconds, and takes the signals of `unblock` out of its mask (bit 0
// is signal 1), also out of one that a system call has set for as long as it waits. Threads that cannot be stopped in time are left
// out (`missed`). Throws ALREADY_TRACED, PERMISSION, TARGET_GONE.
std::vector<ThreadCopy> SnapshotThreads(const Target &target, TraceeTable &table, WaitTimer &timer,
                                        HoldDeadline *deadline, size_t most_stack, uint64_t unblock,
                                        std::vector<pid_t> &missed);

}  // namespace polus
