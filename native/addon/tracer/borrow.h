// Runs system calls on a borrowed thread of the target.
//
// Prepare, infect, run, cure (CRIU compel's words), with one addition: at no instant does
// the thread need us. Its whole state lies in a signal frame below its red zone, and the
// borrowed call returns into rt_sigreturn; if we die, the thread finishes the call, and the
// kernel restores it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tracee_table.h"
#include "watchdog_process.h"

namespace polus {

struct RemoteCall {
  long number;
  std::array<uint64_t, 6> arguments;
};

struct BorrowResult {
  std::vector<int64_t> results;  // -errno for failed calls
  pid_t tid = 0;
  uint64_t held_us = 0;
};

// Addresses in the target of the two instruction sequences that borrowing needs.
struct Gadgets {
  uint64_t syscall_return = 0;  // syscall; ret
  uint64_t sigreturn = 0;       // mov $15,%rax; syscall
};

// Looks through the executable mappings. Throws NO_BORROWABLE_THREAD if either is missing.
Gadgets FindGadgets(const Target &target, const std::vector<Mapping> &maps);

struct BorrowOptions {
  // This thread or none; 0: whichever fits best.
  pid_t only = 0;
  // Filters that deny the calls may be suspended: only in a process that outlives polus.
  bool may_suspend_seccomp = false;
};

// Borrows one thread of the process, preferably one that sleeps. Where its seccomp filters
// deny a call and may not be suspended here, polus_borrower does the work.
// Throws NO_BORROWABLE_THREAD, CANNOT_STOP, ALREADY_TRACED, PERMISSION, SHADOW_STACK,
// SECCOMP_DENIES, TARGET_GONE.
BorrowResult Borrow(const Target &target, const Gadgets &gadgets, const std::vector<RemoteCall> &calls,
                    TraceeTable &table, WaitTimer &timer, HoldDeadline *deadline, const BorrowOptions &options = {});

}  // namespace polus
