// Ends a system call that a thread is blocked in, or has it made again elsewhere.
#pragma once

#include "borrow.h"
#include "tracee_table.h"

namespace polus {

// The thread's poll, select or epoll_wait fails with EINTR, which these may at any time (signal(7): they are never
// restarted). False: the thread is not blocked in that call any more, with that stack pointer, or did not stop in
// time; it is as it was. Throws ALREADY_TRACED, PERMISSION.
bool EndBlockedCall(const Target &target, const Gadgets &gadgets, pid_t tid, uint64_t number, uint64_t sp,
                    TraceeTable &table, WaitTimer &timer, HoldDeadline *deadline);

// The thread goes on at the runtime's `polus_blocked` (polus_runtime.h), which makes the call with other memory. False
// as above, or where its stack has no room for that.
bool MoveBlockedCall(const Target &target, const Gadgets &gadgets, pid_t tid, uint64_t number, uint64_t sp,
                     uint64_t runtime, TraceeTable &table, WaitTimer &timer, HoldDeadline *deadline);

}  // namespace polus
